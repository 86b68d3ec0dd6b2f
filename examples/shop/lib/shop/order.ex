defmodule Shop.Order do
  @moduledoc """
  One order: a `:gen_statem` from the click on "order" to the parcel.

      created ──► reserved ──► paid ──► shipped
         │           │          │
         └───────────┴──────────┴─────► cancelled

    * `created`: reserves the items; out of stock means cancelled;
    * `reserved`: waits for the customer to pay or cancel; whoever does neither is cancelled by a
      state timeout. A customer who cancels while the card is being charged has to wait for the
      card (the event is postponed);
    * `paid`: awards the loyalty points and ships; a failing shipment is tried again, and after
      three attempts the money goes back;
    * `shipped` and `cancelled`: tell everybody, linger for those who want to track the order, end.

  Orders are found by their name through `Shop.Registry`.
  """

  @behaviour :gen_statem

  alias Shop.{Audit, Inventory, Loyalty, Metrics, Notifier, Payments, Shipping, Truth}

  @unpaid_ms 500
  @card_ms 5_000
  @shipment_ms 3_000
  @linger_ms 300
  @attempts 3

  defstruct [
    :id,
    :customer,
    :items,
    :cents,
    :payer,
    :payment,
    :shipping,
    :shipment,
    :why,
    tries: 0
  ]

  @type id :: String.t()
  @typep t :: %__MODULE__{}
  @typep event :: :gen_statem.event_type()
  @typep result :: :gen_statem.event_handler_result(atom)
  @typep entered :: :gen_statem.state_enter_result(atom)

  @doc "Starts the process of a new order."
  @spec place(id, Shop.customer(), Shop.items(), Shop.cents()) ::
          DynamicSupervisor.on_start_child()
  def place(id, customer, items, cents) do
    order = %__MODULE__{id: id, customer: customer, items: items, cents: cents}
    Metrics.count(:orders_placed)
    DynamicSupervisor.start_child(Shop.OrderSupervisor, {__MODULE__, order})
  end

  @doc "Pays the order; answers when the card company has."
  @spec pay(id, card :: String.t()) :: {:ok, :paid} | {:error, atom | tuple}
  def pay(id, card), do: call(id, {:pay, card})

  @doc "Cancels the order, if it is not too late."
  @spec cancel(id) :: :ok | {:error, atom | tuple}
  def cancel(id), do: call(id, :cancel)

  @doc "The state the order is in."
  @spec track(id) :: {:ok, atom} | {:error, :unknown_order | :timeout}
  def track(id), do: call(id, :track)

  defp call(id, request) do
    :gen_statem.call(name(id), request, 2 * @card_ms)
  catch
    :exit, {:timeout, _call} -> {:error, :timeout}
    :exit, {:noproc, _call} -> {:error, :unknown_order}
    :exit, {:normal, _call} -> {:error, :unknown_order}
  end

  defp name(id), do: {:via, Registry, {Shop.Registry, {:order, id}}}

  @doc false
  @spec child_spec(t) :: Supervisor.child_spec()
  def child_spec(order) do
    %{id: __MODULE__, start: {__MODULE__, :start_link, [order]}, restart: :temporary}
  end

  @doc false
  @spec start_link(t) :: :gen_statem.start_ret()
  def start_link(order), do: :gen_statem.start_link(name(order.id), __MODULE__, order, [])

  @impl true
  def callback_mode, do: [:state_functions, :state_enter]

  @impl true
  def init(order), do: {:ok, :created, order, [{:next_event, :internal, :reserve}]}

  @doc false
  @spec created(event | :enter, term, t) :: result | entered
  def created(:enter, _from, order), do: entered(:created, nil, order)

  def created(:internal, :reserve, order) do
    case Inventory.reserve(order.id, order.items) do
      :ok -> {:next_state, :reserved, order}
      {:error, why} -> {:next_state, :cancelled, %{order | why: why}}
    end
  end

  @doc false
  @spec reserved(event | :enter, term, t) :: result | entered
  def reserved(:enter, from, order) do
    entered(:reserved, from, order, [{:state_timeout, @unpaid_ms, :unpaid}])
  end

  def reserved({:call, from}, {:pay, card}, %{payment: nil} = order) do
    payment = Payments.charge(order.id, order.cents, card)
    order = %{order | payer: from, payment: payment}
    {:keep_state, order, [{:state_timeout, @card_ms, :no_answer}]}
  end

  def reserved({:call, _from}, :cancel, %{payment: payment}) when payment != nil do
    {:keep_state_and_data, [:postpone]}
  end

  def reserved({:call, from}, :cancel, order) do
    {:next_state, :cancelled, %{order | why: :customer}, [{:reply, from, :ok}]}
  end

  def reserved(:info, {:payment, ref, {:ok, _receipt}}, %{payment: ref} = order) do
    Metrics.count(:revenue, order.cents)
    actions = [{:reply, order.payer, {:ok, :paid}}, {:next_event, :internal, :award}]
    {:next_state, :paid, order, actions}
  end

  def reserved(:info, {:payment, ref, {:error, why}}, %{payment: ref} = order) do
    {:next_state, :cancelled, %{order | why: why}, [{:reply, order.payer, {:error, why}}]}
  end

  def reserved(:state_timeout, why, order) do
    replies = if order.payer, do: [{:reply, order.payer, {:error, why}}], else: []
    {:next_state, :cancelled, %{order | why: why}, replies}
  end

  def reserved(type, event, order), do: in_any_state(type, event, :reserved, order)

  @doc false
  @spec paid(event | :enter, term, t) :: result | entered
  def paid(:enter, from, order), do: entered(:paid, from, order)

  def paid(:internal, :award, order) do
    {:ok, _points} = Loyalty.award(Loyalty.account(order.customer), 1 + div(order.cents, 100))
    {:keep_state_and_data, [{:next_event, :internal, :ship}]}
  end

  def paid(:internal, :ship, %{tries: @attempts} = order) do
    Payments.refund(order.id, order.cents)
    Metrics.count(:revenue, -order.cents)
    {:next_state, :cancelled, %{order | why: :undeliverable}}
  end

  def paid(:internal, :ship, order) do
    task = Shipping.ship_async(order.id, order.items, order.cents)
    order = %{order | shipping: task, tries: order.tries + 1}
    {:keep_state, order, [{:state_timeout, @shipment_ms, :too_slow}]}
  end

  def paid(:info, {ref, shipment}, %{shipping: %Task{ref: ref}} = order) do
    Process.demonitor(ref, [:flush])
    {:next_state, :shipped, %{order | shipment: shipment, shipping: nil}}
  end

  def paid(:info, {:DOWN, ref, :process, _pid, _why}, %{shipping: %Task{ref: ref}} = order) do
    {:keep_state, %{order | shipping: nil}, [{:next_event, :internal, :ship}]}
  end

  def paid(:state_timeout, :too_slow, order) do
    Task.shutdown(order.shipping, :brutal_kill)
    {:keep_state, %{order | shipping: nil}, [{:next_event, :internal, :ship}]}
  end

  def paid(type, event, order), do: in_any_state(type, event, :paid, order)

  @doc false
  @spec shipped(event | :enter, term, t) :: result | entered
  def shipped(:enter, from, order) do
    :ok = Inventory.commit(order.id)
    Metrics.count(:orders_shipped)
    Metrics.count(:units_shipped, order.items |> Map.values() |> Enum.sum())
    Notifier.notify(order.customer, "#{order.id} is on its way by #{order.shipment.carrier}")
    entered(:shipped, from, order, [{:state_timeout, @linger_ms, :done}])
  end

  def shipped(:state_timeout, :done, _order), do: {:stop, :normal}
  def shipped(type, event, order), do: in_any_state(type, event, :shipped, order)

  @doc false
  @spec cancelled(event | :enter, term, t) :: result | entered
  def cancelled(:enter, from, order) do
    # Nothing is reserved if the stock did not suffice.
    if from != :created, do: :ok = Inventory.release(order.id)
    Metrics.count(:orders_cancelled)
    Notifier.notify(order.customer, "#{order.id} is cancelled")
    entered(:cancelled, from, order, [{:state_timeout, @linger_ms, :done}])
  end

  def cancelled(:state_timeout, :done, _order), do: {:stop, :normal}

  def cancelled({:call, from}, {:pay, _card}, order) do
    {:keep_state_and_data, [{:reply, from, {:error, order.why}}]}
  end

  def cancelled(type, event, order), do: in_any_state(type, event, :cancelled, order)

  defp in_any_state({:call, from}, :track, state, _order) do
    {:keep_state_and_data, [{:reply, from, {:ok, state}}]}
  end

  defp in_any_state({:call, from}, _request, state, _order) do
    {:keep_state_and_data, [{:reply, from, {:error, state}}]}
  end

  # What comes too late: the answer of a task that was given up, of a card that was not waited for.
  defp in_any_state(:info, {:payment, _ref, {:ok, _receipt}}, _state, order) do
    Payments.refund(order.id, order.cents)
    :keep_state_and_data
  end

  defp in_any_state(:info, _message, _state, _order), do: :keep_state_and_data

  defp entered(state, from, order, actions \\ []) do
    Audit.record(order.id, state, order.why)
    Truth.note(:order_state, fn -> [pid: self(), order: order.id, from: from, to: state] end)
    {:keep_state_and_data, actions}
  end
end

defmodule Shop.Payments do
  @moduledoc """
  The desk of the card company. `charge/3` does not wait: the order gets a message

      {:payment, reference, {:ok, receipt} | {:error, :declined}}

  some milliseconds later. Cards that end in `0002` are declined.
  """

  use GenServer

  @type money :: %{captured: Shop.cents(), refunded: Shop.cents()}

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Charges a card for an order; the answer comes as a message with this reference."
  @spec charge(Shop.Order.id(), Shop.cents(), card :: String.t()) :: reference
  def charge(order, cents, card) do
    reference = make_ref()
    GenServer.cast(__MODULE__, {:charge, self(), reference, {order, cents, card}})
    reference
  end

  @doc "Gives money back."
  @spec refund(Shop.Order.id(), Shop.cents()) :: :ok
  def refund(order, cents), do: GenServer.cast(__MODULE__, {:refund, order, cents})

  @doc "What was taken and given back so far."
  @spec money :: money
  def money, do: GenServer.call(__MODULE__, :money)

  @impl true
  def init([]), do: {:ok, %{captured: 0, refunded: 0, declined: 0}}

  @impl true
  def handle_call(:money, _from, state), do: {:reply, Map.delete(state, :declined), state}

  @impl true
  def handle_cast({:charge, _pid, _reference, {order, _cents, _card}} = charge, state) do
    # The way to the bank and back takes 1 to 5 ms, always the same for the same order.
    Process.send_after(self(), {:answer, charge}, 1 + :erlang.phash2(order, 5))
    {:noreply, state}
  end

  def handle_cast({:refund, _order, cents}, state) do
    {:noreply, %{state | refunded: state.refunded + cents}}
  end

  @impl true
  def handle_info({:answer, {:charge, pid, reference, {order, cents, card}}}, state) do
    if String.ends_with?(card, "0002") do
      send(pid, {:payment, reference, {:error, :declined}})
      {:noreply, %{state | declined: state.declined + 1}}
    else
      send(pid, {:payment, reference, {:ok, "receipt-" <> order}})
      {:noreply, %{state | captured: state.captured + cents}}
    end
  end
end

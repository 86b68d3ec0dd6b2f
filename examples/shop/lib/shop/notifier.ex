defmodule Shop.Notifier do
  @moduledoc """
  Writes to customers. A note stays in the outbox until the mail server has taken it.

  With the fault `:state_growth` it stays there for ever, and the state of this server grows with
  every note sent.
  """

  use GenServer

  alias Shop.Faults

  @delivery_ms 3

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Sends a note to a customer; does not wait."
  @spec notify(Shop.customer(), String.t()) :: :ok
  def notify(customer, text), do: GenServer.cast(__MODULE__, {:notify, customer, text})

  @doc "How many notes are in the outbox."
  @spec outbox_size :: non_neg_integer
  def outbox_size, do: GenServer.call(__MODULE__, :outbox_size)

  @impl true
  def init([]), do: {:ok, %{outbox: %{}, sent: 0}}

  @impl true
  def handle_call(:outbox_size, _from, state), do: {:reply, map_size(state.outbox), state}

  @impl true
  def handle_cast({:notify, customer, text}, state) do
    id = state.sent + 1
    Process.send_after(self(), {:delivered, id}, @delivery_ms)

    {:noreply,
     %{state | outbox: Map.put(state.outbox, id, %{to: customer, text: text}), sent: id}}
  end

  @impl true
  def handle_info({:delivered, id}, state) do
    if Faults.enabled?(:state_growth),
      do: {:noreply, keep(id, state)},
      else: {:noreply, %{state | outbox: Map.delete(state.outbox, id)}}
  end

  # The fault: a delivered note is kept "to send it again one day", and nobody ever does.
  defp keep(id, state) do
    Faults.happened(:state_growth, fn ->
      [pid: self(), server: __MODULE__, kept: id, outbox: map_size(state.outbox)]
    end)

    state
  end
end

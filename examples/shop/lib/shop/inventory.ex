defmodule Shop.Inventory do
  @moduledoc """
  Knows how many of each product are left, reserved and sold. Nothing is ever lost:

      initial = sold + reserved + left

  An order reserves all of its items or none. It then either commits them (sold) or releases them.
  The inventory monitors the process that reserved: if an order dies, its items come back.

  Every so many reservations the inventory tells `Shop.Pricing` how much is left, since scarce
  goods cost more. It sends the number along, so that the pricing server need not ask for it.
  With the fault `:mutual_call` it calls instead, and the pricing server calls back: see FAULTS.md.
  """

  use GenServer

  alias Shop.{Faults, Pricing}

  @tell_pricing_every 50
  @reprice_timeout 500

  @type totals :: %{
          initial: non_neg_integer,
          left: non_neg_integer,
          reserved: non_neg_integer,
          sold: non_neg_integer
        }

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Reserves all items for the calling process, or none."
  @spec reserve(Shop.Order.id(), Shop.items()) :: :ok | {:error, {:out_of_stock, Shop.sku()}}
  def reserve(order, items), do: GenServer.call(__MODULE__, {:reserve, order, items})

  @doc "What was reserved is sold."
  @spec commit(Shop.Order.id()) :: :ok | {:error, :not_reserved}
  def commit(order), do: GenServer.call(__MODULE__, {:commit, order})

  @doc "What was reserved comes back."
  @spec release(Shop.Order.id()) :: :ok | {:error, :not_reserved}
  def release(order), do: GenServer.call(__MODULE__, {:release, order})

  @doc "How many pieces of a product are left."
  @spec left(Shop.sku()) :: non_neg_integer
  def left(sku), do: GenServer.call(__MODULE__, {:left, sku})

  @doc "The sums over all products."
  @spec totals :: totals
  def totals, do: GenServer.call(__MODULE__, :totals)

  @impl true
  def init([]) do
    stock =
      for %{sku: sku, stock: n} <- Shop.Products.all(), into: %{} do
        {sku, %{initial: n, left: n, reserved: 0, sold: 0}}
      end

    {:ok, %{stock: stock, reservations: %{}, monitors: %{}, count: 0}}
  end

  @impl true
  def handle_call({:reserve, order, items}, {pid, _tag}, state) do
    case Enum.find(items, fn {sku, n} -> state.stock[sku].left < n end) do
      nil ->
        state = state |> reserve(order, items, pid) |> count_reservation(items)
        {:reply, :ok, state}

      {sku, _n} ->
        {:reply, {:error, {:out_of_stock, sku}}, state}
    end
  end

  def handle_call({:commit, order}, _from, state), do: close(order, :sold, state)
  def handle_call({:release, order}, _from, state), do: close(order, :left, state)
  def handle_call({:left, sku}, _from, state), do: {:reply, state.stock[sku].left, state}

  def handle_call(:totals, _from, state) do
    totals = Enum.reduce(Map.values(state.stock), &Map.merge(&1, &2, fn _k, a, b -> a + b end))
    {:reply, totals, state}
  end

  @impl true
  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    {:reply, :ok, state} = close(state.monitors[monitor], :left, state)
    {:noreply, state}
  end

  defp reserve(state, order, items, pid) do
    monitor = Process.monitor(pid)

    %{
      state
      | stock: move(state.stock, items, :left, :reserved),
        reservations: Map.put(state.reservations, order, {monitor, items}),
        monitors: Map.put(state.monitors, monitor, order)
    }
  end

  defp close(order, to, state) do
    case Map.pop(state.reservations, order) do
      {nil, _reservations} ->
        {:reply, {:error, :not_reserved}, state}

      {{monitor, items}, reservations} ->
        Process.demonitor(monitor, [:flush])
        stock = move(state.stock, items, :reserved, to)
        monitors = Map.delete(state.monitors, monitor)
        {:reply, :ok, %{state | stock: stock, reservations: reservations, monitors: monitors}}
    end
  end

  defp move(stock, items, from, to) do
    Enum.reduce(items, stock, fn {sku, n}, stock ->
      Map.update!(stock, sku, &%{&1 | from => &1[from] - n, to => &1[to] + n})
    end)
  end

  defp count_reservation(%{count: count} = state, items) do
    if rem(count, @tell_pricing_every) == 0 do
      sku = items |> Map.keys() |> hd()
      tell_pricing(sku, state.stock[sku].left)
    end

    %{state | count: count + 1}
  end

  defp tell_pricing(sku, left) do
    if Faults.enabled?(:mutual_call),
      do: call_pricing(sku),
      else: Pricing.stock_changed(sku, left)
  end

  # The fault: the pricing server needs `left/1` to answer, and this server is waiting for it.
  defp call_pricing(sku) do
    since = System.monotonic_time(:nanosecond)

    try do
      Pricing.reprice(sku, @reprice_timeout)
    catch
      :exit, {:timeout, _call} -> note_deadlock(sku, Process.whereis(Pricing), since)
    end
  end

  # Proof that the other was waiting too, and not merely slow: its question is in the mailbox here.
  defp note_deadlock(sku, pricing, since) do
    {:messages, messages} = Process.info(self(), :messages)

    if Enum.any?(messages, &match?({:"$gen_call", {^pricing, _tag}, {:left, ^sku}}, &1)) do
      Faults.happened(:mutual_call, fn ->
        [
          pid: self(),
          server: __MODULE__,
          waited_for: pricing,
          waited_for_server: Pricing,
          sku: sku,
          since_ns: since,
          waited_ns: System.monotonic_time(:nanosecond) - since
        ]
      end)
    end
  end
end

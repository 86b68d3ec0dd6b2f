defmodule Shop.Pricing do
  @moduledoc """
  Says what things cost. Everybody asks it: a visitor who looks at a page, a cart at checkout.

  Scarce products cost ten percent more; `Shop.Inventory` tells how many are left.
  """

  use GenServer

  alias Shop.{Faults, Inventory}

  @scarce 1_000
  @tax_office_ms 5

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "The price of some items, less a discount."
  @spec quote(Shop.items(), percent_off :: 0..100) :: {:ok, Shop.cents()}
  def quote(items, percent_off), do: GenServer.call(__MODULE__, {:quote, items, percent_off})

  @doc "Tells how many of a product are left. A cast: nobody waits."
  @spec stock_changed(Shop.sku(), non_neg_integer) :: :ok
  def stock_changed(sku, left), do: GenServer.cast(__MODULE__, {:stock_changed, sku, left})

  @doc "Asks for a new price; the pricing server asks the inventory how many are left."
  @spec reprice(Shop.sku(), timeout) :: :ok
  def reprice(sku, timeout), do: GenServer.call(__MODULE__, {:reprice, sku}, timeout)

  @impl true
  def init([]) do
    prices = for %{sku: sku, cents: cents} <- Shop.Products.all(), into: %{}, do: {sku, cents}
    {:ok, %{prices: prices, scarce: MapSet.new(), quotes: 0}}
  end

  @impl true
  def handle_call({:quote, items, percent_off}, _from, state) do
    if Faults.enabled?(:bottleneck), do: ask_tax_office()

    full = items |> Enum.map(fn {sku, n} -> n * price(state, sku) end) |> Enum.sum()
    {:reply, {:ok, full - div(full * percent_off, 100)}, %{state | quotes: state.quotes + 1}}
  end

  def handle_call({:reprice, sku}, _from, state) do
    {:reply, :ok, rate(state, sku, Inventory.left(sku))}
  end

  @impl true
  def handle_cast({:stock_changed, sku, left}, state), do: {:noreply, rate(state, sku, left)}

  defp price(state, sku) do
    cents = Map.fetch!(state.prices, sku)
    if sku in state.scarce, do: div(cents * 11, 10), else: cents
  end

  defp rate(state, sku, left) when left < @scarce,
    do: %{state | scarce: MapSet.put(state.scarce, sku)}

  defp rate(state, sku, _left), do: %{state | scarce: MapSet.delete(state.scarce, sku)}

  # The fault: a slow service is asked inside handle_call, and all others wait in the mailbox.
  defp ask_tax_office do
    {:message_queue_len, waiting} = Process.info(self(), :message_queue_len)
    Process.sleep(@tax_office_ms)

    Faults.happened(:bottleneck, fn ->
      [pid: self(), server: __MODULE__, slept_ms: @tax_office_ms, waiting: waiting]
    end)
  end
end

defmodule Shop.Cart do
  @moduledoc """
  The cart of one customer: a process, started when first needed, found through `Shop.Registry`,
  gone after a minute in which nobody asks for it.

  The state has a `version` that grows by one with each change. If the truth is written (see
  `Shop.Truth`), so is every version.
  """

  use GenServer, restart: :temporary

  alias Shop.{Catalog, Coupons, Order, Pricing, Truth}

  @idle_ms 60_000

  defstruct [:customer, items: %{}, percent_off: 0, orders: 0, version: 0]

  @type t :: %__MODULE__{
          customer: Shop.customer(),
          items: Shop.items(),
          percent_off: 0..100,
          orders: non_neg_integer,
          version: non_neg_integer
        }

  @doc false
  @spec start_link(Shop.customer()) :: GenServer.on_start()
  def start_link(customer), do: GenServer.start_link(__MODULE__, customer, name: name(customer))

  @doc "Puts something into the cart."
  @spec add(Shop.customer(), Shop.sku(), pos_integer) :: :ok | {:error, :unknown_product}
  def add(customer, sku, count) when is_integer(count) and count > 0 do
    with {:ok, _product} <- Catalog.product(sku), do: call(customer, {:add, sku, count})
  end

  @doc "Takes something out of the cart."
  @spec remove(Shop.customer(), Shop.sku()) :: :ok
  def remove(customer, sku), do: call(customer, {:remove, sku})

  @doc "Redeems a coupon for this cart."
  @spec coupon(Shop.customer(), String.t()) :: {:ok, 0..100} | {:error, atom}
  def coupon(customer, code), do: call(customer, {:coupon, code})

  @doc "Makes an order of what is in the cart and empties it."
  @spec checkout(Shop.customer()) :: {:ok, Order.id()} | {:error, :empty_cart}
  def checkout(customer), do: call(customer, :checkout)

  @doc "What is in the cart."
  @spec contents(Shop.customer()) :: t
  def contents(customer), do: call(customer, :contents)

  defp name(customer), do: {:via, Registry, {Shop.Registry, {:cart, customer}}}

  defp call(customer, request), do: GenServer.call(find_or_start(customer), request)

  defp find_or_start(customer) do
    case Registry.lookup(Shop.Registry, {:cart, customer}) do
      [{pid, _value}] ->
        pid

      [] ->
        case DynamicSupervisor.start_child(Shop.CartSupervisor, {__MODULE__, customer}) do
          {:ok, pid} -> pid
          {:error, {:already_started, pid}} -> pid
        end
    end
  end

  @impl true
  def init(customer) do
    cart = %__MODULE__{customer: customer}
    note(cart)
    {:ok, cart, @idle_ms}
  end

  @impl true
  def handle_call({:add, sku, count}, _from, cart) do
    cart = change(cart, items: Map.update(cart.items, sku, count, &(&1 + count)))
    {:reply, :ok, cart, @idle_ms}
  end

  def handle_call({:remove, sku}, _from, cart) do
    {:reply, :ok, change(cart, items: Map.delete(cart.items, sku)), @idle_ms}
  end

  def handle_call({:coupon, code}, _from, cart) do
    case Coupons.redeem(code) do
      {:ok, percent} = ok -> {:reply, ok, change(cart, percent_off: percent), @idle_ms}
      error -> {:reply, error, cart, @idle_ms}
    end
  end

  def handle_call(:checkout, _from, %{items: items} = cart) when items == %{} do
    {:reply, {:error, :empty_cart}, cart, @idle_ms}
  end

  def handle_call(:checkout, _from, cart) do
    id = "#{cart.customer}-#{cart.orders + 1}"
    {:ok, cents} = Pricing.quote(cart.items, cart.percent_off)
    {:ok, _pid} = Order.place(id, cart.customer, cart.items, cents)
    cart = change(cart, items: %{}, percent_off: 0, orders: cart.orders + 1)
    {:reply, {:ok, id}, cart, @idle_ms}
  end

  def handle_call(:contents, _from, cart), do: {:reply, cart, cart, @idle_ms}

  @impl true
  def handle_info(:timeout, cart), do: {:stop, :normal, cart}

  defp change(cart, fields) do
    cart = cart |> struct!(fields) |> Map.update!(:version, &(&1 + 1))
    note(cart)
    cart
  end

  defp note(cart), do: Truth.state(__MODULE__, cart.customer, cart.version, cart)
end

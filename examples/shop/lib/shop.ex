defmodule Shop do
  @moduledoc """
  A small online shop for tea: what a visitor can do with it.

  This module is the counter; the work is done by the processes behind it, and the supervision
  tree in `Shop.Application` is the best place to begin reading. A visit looks like this:

      Shop.browse("ada", "earl-grey")
      Shop.add("ada", "earl-grey", 2)
      {:ok, order} = Shop.checkout("ada")
      {:ok, :paid} = Shop.pay(order, "4242")
      {:ok, :paid} = Shop.track(order)

  Every visitor has a `Shop.Cart`, every order is a `Shop.Order`; both are processes.
  Nothing here raises for what a visitor may do wrong.
  """

  alias Shop.{Cart, Catalog, Loyalty, Order, Pricing, Recommendations}

  @typedoc "The name a customer is known by."
  @type customer :: String.t()
  @typedoc "The name of a product, such as `\"earl-grey\"`."
  @type sku :: String.t()
  @typedoc "What is bought: how many of each."
  @type items :: %{sku => pos_integer}
  @typedoc "Money, in cents."
  @type cents :: non_neg_integer

  @doc "Looks at the page of a product; answers its price of today."
  @spec browse(customer, sku) :: {:ok, cents} | {:error, :unknown_product}
  def browse(customer, sku) do
    with {:ok, page} <- Catalog.page(sku) do
      Recommendations.viewed(customer, sku, page)
      Pricing.quote(%{sku => 1}, 0)
    end
  end

  @doc "What others looked at lately."
  @spec suggestions :: [sku]
  defdelegate suggestions, to: Recommendations, as: :latest

  @doc "Puts `count` of a product into the customer's cart."
  @spec add(customer, sku, pos_integer) :: :ok | {:error, :unknown_product}
  defdelegate add(customer, sku, count), to: Cart

  @doc "Takes a product out of the cart again."
  @spec remove(customer, sku) :: :ok
  defdelegate remove(customer, sku), to: Cart

  @doc "Redeems a coupon such as `\"SAVE10\"` for what is in the cart."
  @spec coupon(customer, String.t()) :: {:ok, percent :: 0..100} | {:error, atom}
  defdelegate coupon(customer, code), to: Cart

  @doc "Turns the cart into an order, to be paid within a moment."
  @spec checkout(customer) :: {:ok, Order.id()} | {:error, atom}
  defdelegate checkout(customer), to: Cart

  @doc "Pays an order by card."
  @spec pay(Order.id(), card :: String.t()) :: {:ok, :paid} | {:error, atom | tuple}
  defdelegate pay(order, card), to: Order

  @doc "Cancels an order that is not paid yet."
  @spec cancel(Order.id()) :: :ok | {:error, atom | tuple}
  defdelegate cancel(order), to: Order

  @doc "The state an order is in; finished orders are forgotten after a moment."
  @spec track(Order.id()) :: {:ok, atom} | {:error, :unknown_order | :timeout}
  defdelegate track(order), to: Order

  @doc "Writes a review, which earns the customer some loyalty points."
  @spec review(customer) :: {:ok, points :: pos_integer}
  def review(customer), do: Loyalty.award(Loyalty.account(customer), 5)
end

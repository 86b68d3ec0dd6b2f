defmodule Shop.Products do
  @moduledoc """
  What the shop sells: name, title, price in cents, pieces in stock at the start.

  Stock is ample, so that the outcome of a load does not depend on who comes first. The one
  exception is a product that is sold out from the start: whoever orders it is turned down.
  """

  @products [
    {"earl-grey", "Earl Grey, 100 g", 690, 20_000},
    {"assam", "Assam Broken, 250 g", 1_190, 20_000},
    {"darjeeling", "Darjeeling First Flush, 100 g", 1_890, 20_000},
    {"sencha", "Sencha, 100 g", 990, 20_000},
    {"matcha", "Matcha, 30 g", 2_450, 20_000},
    {"rooibos", "Rooibos, 250 g", 790, 20_000},
    {"mint", "Moroccan Mint, 100 g", 550, 20_000},
    {"cup", "Porcelain Cup", 1_450, 20_000},
    {"pot", "Tea Pot, 1 l", 3_900, 20_000},
    {"strainer", "Strainer, steel", 850, 20_000},
    {"tin", "Tea Tin, 150 g", 620, 20_000},
    {"yuzu-2019", "Yuzu Oolong 2019, 50 g", 4_900, 0}
  ]

  @type t :: %{sku: Shop.sku(), title: String.t(), cents: Shop.cents(), stock: non_neg_integer}

  @doc "All products."
  @spec all :: [t]
  def all do
    for {sku, title, cents, stock} <- @products do
      %{sku: sku, title: title, cents: cents, stock: stock}
    end
  end

  @doc "The names of all products."
  @spec skus :: [Shop.sku()]
  def skus, do: for({sku, _title, _cents, _stock} <- @products, do: sku)
end

defmodule Shop.Catalog do
  @moduledoc """
  The catalog: an ETS cache that everybody reads, and the one process that writes it.

  Reading costs no message. Views are counted in a second table that all may write; twice a second
  the owner turns these counts into the list of bestsellers.
  """

  use GenServer

  @cache :shop_catalog
  @views :shop_catalog_views
  @refresh 500
  @bestsellers 3
  @page_bytes 32_768

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "A product of the catalog."
  @spec product(Shop.sku()) :: {:ok, Shop.Products.t()} | {:error, :unknown_product}
  def product(sku) do
    case :ets.lookup(@cache, {:product, sku}) do
      [{_key, product}] -> {:ok, product}
      [] -> {:error, :unknown_product}
    end
  end

  @doc """
  The page of a product, rendered for this visit: one binary of about 32 KiB.

  It begins with a teaser of `teaser_bytes/0` bytes.
  """
  @spec page(Shop.sku()) :: {:ok, binary} | {:error, :unknown_product}
  def page(sku) do
    with {:ok, product} <- product(sku) do
      :ets.update_counter(@views, sku, 1, {sku, 0})
      [{_key, body}] = :ets.lookup(@cache, :page_body)
      {:ok, IO.iodata_to_binary([teaser(product), body])}
    end
  end

  @doc "How many bytes at the start of a page are its teaser."
  @spec teaser_bytes :: pos_integer
  def teaser_bytes, do: 200

  @doc "The products most looked at."
  @spec bestsellers :: [Shop.sku()]
  def bestsellers do
    [{_key, skus}] = :ets.lookup(@cache, :bestsellers)
    skus
  end

  @impl true
  def init([]) do
    :ets.new(@cache, [:named_table, :protected, read_concurrency: true])
    :ets.new(@views, [:named_table, :public, write_concurrency: true])

    for product <- Shop.Products.all(),
        do: :ets.insert(@cache, {{:product, product.sku}, product})

    :ets.insert(@cache, {:page_body, String.duplicate("<p>tea</p>\n", div(@page_bytes, 11))})
    :ets.insert(@cache, {:bestsellers, []})

    Process.send_after(self(), :refresh, @refresh)
    {:ok, %{bestsellers: [], refreshed: 0}}
  end

  @impl true
  def handle_info(:refresh, state) do
    Process.send_after(self(), :refresh, @refresh)

    skus =
      :ets.tab2list(@views)
      |> Enum.sort_by(fn {sku, views} -> {-views, sku} end)
      |> Enum.take(@bestsellers)
      |> Enum.map(fn {sku, _views} -> sku end)

    :ets.insert(@cache, {:bestsellers, skus})
    {:noreply, %{state | bestsellers: skus, refreshed: state.refreshed + 1}}
  end

  defp teaser(product) do
    String.pad_trailing("<h1>#{product.title}</h1> #{product.cents} cents", teaser_bytes(), ".")
  end
end

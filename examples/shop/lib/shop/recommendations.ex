defmodule Shop.Recommendations do
  @moduledoc """
  Remembers the teasers of the pages looked at last, to recommend them to others.

  A teaser is 200 bytes out of a page of 32 KiB. Such a part of a binary is only a reference into
  the whole, and keeps the whole alive: `:binary.copy/1` cuts it loose. With the fault
  `:binary_leak` it is not copied, and 500 small teasers hold 16 MB.
  """

  use GenServer

  alias Shop.{Catalog, Faults}

  @kept 500
  @latest 3

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Tells that a customer looks at a page; does not wait."
  @spec viewed(Shop.customer(), Shop.sku(), page :: binary) :: :ok
  def viewed(customer, sku, page), do: GenServer.cast(__MODULE__, {:viewed, customer, sku, page})

  @doc "The products looked at last."
  @spec latest :: [Shop.sku()]
  def latest, do: GenServer.call(__MODULE__, :latest)

  @doc "How many bytes the teasers have, and how many bytes they keep alive."
  @spec memory :: %{teasers: non_neg_integer, bytes: non_neg_integer, held: non_neg_integer}
  def memory, do: GenServer.call(__MODULE__, :memory)

  @impl true
  def init([]), do: {:ok, %{recent: []}}

  @impl true
  def handle_call(:latest, _from, state) do
    skus = state.recent |> Stream.map(&elem(&1, 0)) |> Stream.uniq() |> Enum.take(@latest)
    {:reply, skus, state}
  end

  def handle_call(:memory, _from, state) do
    teasers = for {_sku, teaser} <- state.recent, do: teaser

    memory = %{
      teasers: length(teasers),
      bytes: teasers |> Enum.map(&byte_size/1) |> Enum.sum(),
      held: teasers |> Enum.map(&:binary.referenced_byte_size/1) |> Enum.sum()
    }

    {:reply, memory, state}
  end

  @impl true
  def handle_cast({:viewed, _customer, sku, page}, state) do
    teaser = page |> binary_part(0, Catalog.teaser_bytes()) |> cut_loose()
    {:noreply, %{state | recent: Enum.take([{sku, teaser} | state.recent], @kept)}}
  end

  # Below 64 bytes the emulator would copy by itself; a teaser is longer.
  defp cut_loose(teaser) do
    if Faults.enabled?(:binary_leak), do: leak(teaser), else: :binary.copy(teaser)
  end

  defp leak(teaser) do
    Faults.happened(:binary_leak, fn ->
      held = :binary.referenced_byte_size(teaser)
      [pid: self(), server: __MODULE__, bytes: byte_size(teaser), held_bytes: held]
    end)

    teaser
  end
end

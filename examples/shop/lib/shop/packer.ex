defmodule Shop.Packer do
  @moduledoc """
  Packs orders into boxes. Several packers stand side by side (a `PartitionSupervisor`); which one
  gets an order follows from the order's name.
  """

  use GenServer

  @box 6

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [])

  @doc "Packs an order; answers how many boxes it takes."
  @spec pack(Shop.Order.id(), Shop.items()) :: pos_integer
  def pack(order, items) do
    GenServer.call({:via, PartitionSupervisor, {Shop.Packers, order}}, {:pack, order, items})
  end

  @impl true
  def init(_arg), do: {:ok, %{packed: 0, boxes: 0}}

  @impl true
  def handle_call({:pack, _order, items}, _from, state) do
    boxes = items |> Map.values() |> Enum.sum() |> Kernel.+(@box - 1) |> div(@box)
    {:reply, boxes, %{state | packed: state.packed + 1, boxes: state.boxes + boxes}}
  end
end

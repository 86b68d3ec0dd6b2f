defmodule Shop.Shipping do
  @moduledoc """
  Sends an order on its way: a task that asks all carriers at once (a task each), takes the
  cheapest, has the order packed and the label printed.

  The task is not linked to its order: if it fails, the order is told and tries again.
  """

  alias Shop.{LabelPrinter, Packer, Settings}

  @type shipment :: %{carrier: atom, cents: Shop.cents(), boxes: pos_integer, label: String.t()}

  @doc "Starts the task; the calling process gets its result as a message."
  @spec ship_async(Shop.Order.id(), Shop.items(), Shop.cents()) :: Task.t()
  def ship_async(order, items, cents) do
    Task.Supervisor.async_nolink(Shop.Shipping.Tasks, __MODULE__, :ship, [order, items, cents])
  end

  @doc "Ships an order worth `cents`."
  @spec ship(Shop.Order.id(), Shop.items(), Shop.cents()) :: shipment
  def ship(order, items, cents) do
    {price, carrier} = order |> quotes() |> Enum.min()
    boxes = Packer.pack(order, items)
    {:ok, label} = LabelPrinter.print("#{order} by #{carrier}, #{boxes} box(es)")
    %{carrier: carrier, cents: charged(price * boxes, cents), boxes: boxes, label: label}
  end

  @doc "What a carrier wants for a box. Carriers take 0 to 3 ms to answer."
  @spec ask_carrier(atom, Shop.Order.id()) :: {Shop.cents(), carrier :: atom}
  def ask_carrier(carrier, order) do
    Process.sleep(:erlang.phash2({carrier, order}, 4))
    {300 + :erlang.phash2({order, carrier}, 400), carrier}
  end

  defp quotes(order) do
    tasks = Shop.Shipping.Tasks
    carriers = Settings.get(:carriers)

    answers =
      Task.Supervisor.async_stream_nolink(tasks, carriers, __MODULE__, :ask_carrier, [order])

    for {:ok, price} <- answers, do: price
  end

  defp charged(price, cents) do
    if cents >= Settings.get(:free_shipping_from), do: 0, else: price
  end
end

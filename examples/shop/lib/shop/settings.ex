defmodule Shop.Settings do
  @moduledoc """
  Settings that the shopkeeper may change while the shop is open: an Agent.

      Shop.Settings.put(:free_shipping_from, 2_500)
  """

  use Agent

  @defaults %{free_shipping_from: 4_000, carriers: [:post, :bike, :drone], gift_wrap: false}

  @type name :: :free_shipping_from | :carriers | :gift_wrap

  @doc false
  @spec start_link(term) :: Agent.on_start()
  def start_link(_arg), do: Agent.start_link(fn -> @defaults end, name: __MODULE__)

  @doc "The value of a setting."
  @spec get(name) :: term
  def get(name), do: Agent.get(__MODULE__, &Map.fetch!(&1, name))

  @doc "Changes a setting."
  @spec put(name, term) :: :ok
  def put(name, value) when is_map_key(@defaults, name),
    do: Agent.update(__MODULE__, &Map.put(&1, name, value))
end

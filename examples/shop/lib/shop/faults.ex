defmodule Shop.Faults do
  @moduledoc """
  Faults that can be built into the running shop, one by one. All are off at the start.

      Shop.Faults.enable(:lost_update)
      Shop.Load.run(seconds: 5)
      Shop.Faults.happened(:lost_update)
      Shop.Faults.disable(:lost_update)

  What each fault does and what a right analysis of it finds is written in FAULTS.md, and
  `truth/1` returns it as a map. Whenever a fault really happens it is counted here and, if
  `SHOP_TRUTH` is set, written down by `Shop.Truth`.

  The switches are in an ETS table, so that asking `enabled?/1` costs no message. This process only
  owns the table. The shop must be running for all functions but `names/0`, `parse/1` and `truth/1`.
  """

  use GenServer

  alias Shop.Faults.Truths

  @table :shop_faults
  @names Truths.names()

  @typedoc "The name of a fault."
  @type name ::
          :crash_on_bad_input
          | :lost_update
          | :mutual_call
          | :bottleneck
          | :state_growth
          | :binary_leak

  @doc false
  @spec start_link(String.t()) :: GenServer.on_start()
  def start_link(enabled), do: GenServer.start_link(__MODULE__, enabled, name: __MODULE__)

  @doc "The names of all faults."
  @spec names :: [name]
  def names, do: @names

  @doc "All faults, and whether they are switched on."
  @spec list :: [{name, on? :: boolean}]
  def list, do: for(name <- @names, do: {name, enabled?(name)})

  @doc "Switches a fault on."
  @spec enable(name) :: :ok | {:error, {:unknown_fault, term}}
  def enable(name), do: switch(name, true)

  @doc "Switches a fault off."
  @spec disable(name) :: :ok | {:error, {:unknown_fault, term}}
  def disable(name), do: switch(name, false)

  @doc "Whether a fault is switched on."
  @spec enabled?(name) :: boolean
  def enabled?(name), do: :ets.lookup_element(@table, name, 2)

  @doc "How often a fault really happened since the shop opened."
  @spec happened(name) :: non_neg_integer
  def happened(name) when name in @names, do: :ets.lookup_element(@table, name, 3)

  @doc "Called where a fault happens: counts it; `fields` answers a keyword list of the truth about it."
  @spec happened(name, fields :: fun) :: :ok
  def happened(name, fields) when name in @names do
    :ets.update_counter(@table, name, {3, 1})
    Shop.Truth.note(:fault, fn -> [{:fault, name} | fields.()] end)
  end

  @doc "What is at fault, and what a right analysis finds."
  @spec truth(name) :: Truths.t()
  defdelegate truth(name), to: Truths

  @doc """
  The fault of this name.

      iex> Shop.Faults.parse("lost-update")
      {:ok, :lost_update}
      iex> Shop.Faults.parse("lost")
      {:error, {:unknown_fault, "lost"}}
  """
  @spec parse(String.t()) :: {:ok, name} | {:error, {:unknown_fault, String.t()}}
  def parse(text) do
    wanted = text |> String.trim() |> String.replace("-", "_")

    case Enum.find(@names, &(Atom.to_string(&1) == wanted)) do
      nil -> {:error, {:unknown_fault, text}}
      name -> {:ok, name}
    end
  end

  defp switch(name, on?) when name in @names do
    :ets.update_element(@table, name, {2, on?})
    Shop.Truth.note(:switch, fn -> [fault: name, on: on?] end)
  end

  defp switch(name, _on?), do: {:error, {:unknown_fault, name}}

  @impl true
  def init(enabled) do
    :ets.new(@table, [:named_table, :public, read_concurrency: true])
    :ets.insert(@table, for(name <- @names, do: {name, false, 0}))

    case enable_all(String.split(enabled, ",", trim: true)) do
      :ok -> {:ok, []}
      {:error, {:unknown_fault, text}} -> {:stop, "no such fault in SHOP_FAULTS: #{text}"}
    end
  end

  defp enable_all(texts) do
    Enum.reduce_while(texts, :ok, fn text, :ok ->
      case parse(text) do
        {:ok, name} -> {:cont, enable(name)}
        error -> {:halt, error}
      end
    end)
  end
end

defmodule Shop.Metrics do
  @moduledoc """
  Counts what happens: `count/2` is a cast, nobody waits for it.

  Once a second the counters are compared with those of the second before; the last minute of
  these differences is kept.
  """

  use GenServer

  @second 1_000
  @minute 60

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Adds `n` to a counter."
  @spec count(atom, integer) :: :ok
  def count(name, n \\ 1), do: GenServer.cast(__MODULE__, {:count, name, n})

  @doc "All counters."
  @spec all :: %{atom => integer}
  def all, do: GenServer.call(__MODULE__, :all)

  @doc "What was counted in each of the last seconds, newest first."
  @spec last_minute :: [%{atom => integer}]
  def last_minute, do: GenServer.call(__MODULE__, :last_minute)

  @impl true
  def init([]) do
    Process.send_after(self(), :tick, @second)
    {:ok, %{counters: %{}, before: %{}, seconds: []}}
  end

  @impl true
  def handle_call(:all, _from, state), do: {:reply, state.counters, state}
  def handle_call(:last_minute, _from, state), do: {:reply, state.seconds, state}

  @impl true
  def handle_cast({:count, name, n}, state) do
    {:noreply, %{state | counters: Map.update(state.counters, name, n, &(&1 + n))}}
  end

  @impl true
  def handle_info(:tick, %{counters: now, before: before} = state) do
    Process.send_after(self(), :tick, @second)

    second =
      for {name, n} <- now, n != before[name], into: %{}, do: {name, n - (before[name] || 0)}

    {:noreply, %{state | before: now, seconds: Enum.take([second | state.seconds], @minute)}}
  end
end

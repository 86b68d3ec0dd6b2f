defmodule Shop.Faults.Referee do
  @moduledoc """
  Watches the loyalty accounts and says which update got lost.

  `Shop.Loyalty` tells each read and write in the order in which it served them. A put is *stale*
  if somebody wrote after the put's own process had read; the last such write is what it
  overwrites, and what that write had added is lost. Each stale put is one lost update, and

      points awarded - points lost = points on the accounts
  """

  use GenServer

  alias Shop.Faults

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "A process was given a value."
  @spec read(String.t(), pid, integer) :: :ok
  def read(key, pid, value), do: tell({:read, key, pid, value})

  @doc "A process overwrote a value."
  @spec put(String.t(), pid, integer) :: :ok
  def put(key, pid, value), do: tell({:put, key, pid, value})

  @doc "The server itself added something for a process; the value is the sum."
  @spec add(String.t(), pid, integer) :: :ok
  def add(key, pid, value), do: tell({:add, key, pid, value})

  defp tell(what) do
    GenServer.cast(__MODULE__, {System.monotonic_time(:nanosecond), what})
  end

  # reads: what each process knows; last: who wrote last, numbered in the order of writing
  @impl true
  def init([]), do: {:ok, %{reads: %{}, last: %{}, writes: 0}}

  @impl true
  def handle_cast({ns, {:read, key, pid, value}}, state) do
    read = %{value: value, ns: ns, writes: state.writes}
    {:noreply, %{state | reads: Map.put(state.reads, {key, pid}, read)}}
  end

  def handle_cast({ns, {how, key, pid, value}}, state) do
    {read, reads} = Map.pop(state.reads, {key, pid})
    write = %{pid: pid, value: value, ns: ns, number: state.writes + 1}
    if how == :put, do: judge(key, read, state.last[key], write)

    last = Map.put(state.last, key, write)
    {:noreply, %{state | reads: reads, last: last, writes: write.number}}
  end

  defp judge(key, %{writes: seen} = read, %{number: number} = lost, write) when number > seen do
    Faults.happened(:lost_update, fn ->
      [
        key: key,
        lost_pid: lost.pid,
        lost_value: lost.value,
        lost_at_ns: lost.ns,
        pid: write.pid,
        read_value: read.value,
        read_at_ns: read.ns,
        written_value: write.value,
        written_at_ns: write.ns,
        lost_points: lost.value - read.value
      ]
    end)
  end

  defp judge(_key, _read, _last, _write), do: :ok
end

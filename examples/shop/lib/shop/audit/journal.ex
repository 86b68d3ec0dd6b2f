defmodule Shop.Audit.Journal do
  @moduledoc "The handler of `Shop.Audit` that keeps the newest entries in memory."

  @behaviour :gen_event

  @kept 50

  @impl true
  def init([]), do: {:ok, %{entries: [], seen: 0}}

  @impl true
  def handle_event({_order, _what, _detail} = entry, state) do
    {:ok, %{state | entries: Enum.take([entry | state.entries], @kept), seen: state.seen + 1}}
  end

  @impl true
  def handle_call(:recent, state), do: {:ok, state.entries, state}
end

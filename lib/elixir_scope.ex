defmodule ElixirScope do
  @moduledoc """
  Records what an Elixir or Erlang system does, and plays it back.

  A system is recorded from outside, with no change to its code:

      elixirscope record -- mix run
      elixirscope attach app@host

  While it is recorded, the code may put marks into the recording:

      ElixirScope.mark("checkout started", cart: 42)

  A mark costs about as much as a function call where nothing is recorded.
  """

  @doc """
  Puts a mark into the recording, with any term as its note. Answers `:ok`, and `{:error, :not_running}` where nothing is recorded.
  """
  @spec mark(String.t() | atom, term) :: :ok | {:error, :not_running}
  def mark(label, meta \\ nil) do
    # A recorded system has the recorder's module; others do not.
    if :erlang.function_exported(:elixirscope, :mark, 2),
      do: :elixirscope.mark(label, meta),
      else: {:error, :not_running}
  end
end

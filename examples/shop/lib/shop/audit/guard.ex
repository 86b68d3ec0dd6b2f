defmodule Shop.Audit.Guard do
  @moduledoc """
  Keeps the handler of `Shop.Audit` installed.

  A crashing handler is taken out by its manager, which itself lives on; the process that
  installed the handler as a *supervised* one is told, and that is this one.
  """

  use GenServer

  alias Shop.Audit.Journal

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @impl true
  def init([]) do
    install()
    {:ok, %{installed: 1}}
  end

  @impl true
  def handle_info({:gen_event_EXIT, Journal, _reason}, state) do
    install()
    {:noreply, %{state | installed: state.installed + 1}}
  end

  defp install, do: :ok = :gen_event.add_sup_handler(Shop.Audit, Journal, [])
end

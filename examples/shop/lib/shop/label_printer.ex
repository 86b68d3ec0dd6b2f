defmodule Shop.LabelPrinter do
  @moduledoc """
  Prints labels on an external printer: an operating system process behind a port.

  The "printer" is `cat`, which prints by giving each line back. The server sends a line with a
  job number and answers its caller when the line returns, so that many jobs can be under way.

  The port is linked to this process. Whoever of the two ends, the other follows: if `cat` is
  killed, this server stops and its supervisor starts both anew; if this server ends, in whatever
  way, the port closes and `cat`, at the end of its input, goes home.
  """

  use GenServer

  alias Shop.Truth

  @line 1_024

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Prints a label of at most #{@line - 24} bytes and answers what was printed."
  @spec print(String.t()) :: {:ok, String.t()}
  def print(text) when byte_size(text) <= @line - 24 do
    GenServer.call(__MODULE__, {:print, String.replace(text, "\n", " ")})
  end

  @doc "The operating system's number of the printer process."
  @spec os_pid :: non_neg_integer
  def os_pid, do: GenServer.call(__MODULE__, :os_pid)

  @impl true
  def init([]) do
    case System.find_executable("cat") do
      nil -> {:stop, "no printer: the program `cat` is not in PATH"}
      path -> {:ok, %{port: open(path), waiting: %{}, jobs: 0}}
    end
  end

  @impl true
  def handle_call({:print, text}, from, state) do
    job = state.jobs + 1
    Port.command(state.port, "#{job} #{text}\n")
    {:noreply, %{state | jobs: job, waiting: Map.put(state.waiting, job, from)}}
  end

  def handle_call(:os_pid, _from, state), do: {:reply, os_pid(state.port), state}

  @impl true
  def handle_info({port, {:data, {:eol, line}}}, %{port: port} = state) do
    [job, text] = String.split(line, " ", parts: 2)
    {from, waiting} = Map.pop!(state.waiting, String.to_integer(job))
    GenServer.reply(from, {:ok, text})
    {:noreply, %{state | waiting: waiting}}
  end

  def handle_info({port, {:exit_status, status}}, %{port: port} = state) do
    {:stop, {:printer_gone, status}, state}
  end

  defp open(path) do
    port = Port.open({:spawn_executable, path}, [:binary, :exit_status, {:line, @line}])
    Truth.note(:started, fn -> [pid: self(), server: __MODULE__, os_pid: os_pid(port)] end)
    port
  end

  defp os_pid(port) do
    {:os_pid, os_pid} = Port.info(port, :os_pid)
    os_pid
  end
end

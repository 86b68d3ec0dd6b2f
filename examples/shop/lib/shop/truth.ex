defmodule Shop.Truth do
  @moduledoc """
  Writes down what really happened, so that others can be checked against it.

  With `SHOP_TRUTH=FILE` in the environment this server runs and appends one JSON object a line to
  FILE. Without it `note/2` and `state/4` cost the lookup of a name, and nothing else happens.

  Every line has `truth` (what kind of line), `ns` (`System.monotonic_time(:nanosecond)`, taken in
  the process that noted it, at that moment) and `by` (the pid of that process). The kinds and their
  fields are listed in FAULTS.md.

  A line is written after what it tells: if the machine is switched off, lines may be missing at
  the end, but none tells of something that did not happen.
  """

  use GenServer

  @hash_range 4_294_967_296

  @doc false
  @spec start_link(Path.t()) :: GenServer.on_start()
  def start_link(path), do: GenServer.start_link(__MODULE__, path, name: __MODULE__)

  @doc """
  Notes something. `fields` answers a keyword list, and is only called if the truth is written.

  A value `{:term, term}` is written as `inspect/2` shows the term, by this server and not by the
  process that notes.
  """
  @spec note(atom, fields :: fun) :: :ok
  def note(what, fields) do
    if Process.whereis(__MODULE__), do: cast({:note, what, fields.()}), else: :ok
  end

  @doc "Notes a new version of a process's state, with its `:erlang.phash2/2` of 32 bits."
  @spec state(module, key :: String.t(), version :: non_neg_integer, state :: term) :: :ok
  def state(module, key, version, state) do
    if Process.whereis(__MODULE__), do: cast({:state, module, key, version, state}), else: :ok
  end

  @doc "Returns when all that was noted before by this process is in the file."
  @spec flush :: :ok
  def flush, do: GenServer.call(__MODULE__, :flush)

  defp cast(note) do
    GenServer.cast(__MODULE__, {System.monotonic_time(:nanosecond), self(), note})
  end

  # Traps exits, so that what is in the mailbox when the shop closes gets written too.
  @impl true
  def init(path) do
    Process.flag(:trap_exit, true)

    case :file.open(path, [:append, :raw, :binary]) do
      {:ok, file} ->
        {:ok, %{file: file, lines: 0}}

      {:error, reason} ->
        {:stop, "cannot write #{path} (SHOP_TRUTH): #{:file.format_error(reason)}"}
    end
  end

  @impl true
  def handle_cast({ns, pid, note}, state) do
    :ok = :file.write(state.file, [Shop.JSON.encode(line(note, ns, pid)), ?\n])
    {:noreply, %{state | lines: state.lines + 1}}
  end

  @impl true
  def handle_call(:flush, _from, state), do: {:reply, :ok, state}

  @impl true
  def terminate(_reason, state), do: :file.close(state.file)

  defp line({:note, what, fields}, ns, pid) do
    [truth: what, ns: ns, by: pid] ++ Enum.map(fields, &shown/1)
  end

  defp line({:state, module, key, version, state}, ns, pid) do
    hash = :erlang.phash2(state, @hash_range)
    fields = [process: module, key: key, version: version, hash: hash, state: shown(state)]
    [truth: :state, ns: ns, by: pid] ++ fields
  end

  defp shown({name, {:term, term}}), do: {name, shown(term)}
  defp shown({_name, _value} = field), do: field
  defp shown(term), do: inspect(term, limit: :infinity, printable_limit: :infinity)
end

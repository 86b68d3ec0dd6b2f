defmodule Shop.TestHelp do
  @moduledoc "What several tests need."

  import ExUnit.Assertions
  import ExUnit.Callbacks

  @doc "A shop that opened a moment ago: no fault, full stock, no order."
  def reopen(_context) do
    Application.stop(:shop)
    :ok = Application.start(:shop)
  end

  @doc "Writes the truth into this test's directory; answers a function that reads it."
  def write_truth(%{tmp_dir: dir}) do
    path = Path.join(dir, "truth.jsonl")
    start_supervised!({Shop.Truth, path})

    %{
      truth: fn kind ->
        Shop.Truth.flush()
        read_truth(path, kind)
      end
    }
  end

  @doc "The lines of one kind in a file of truth, as maps of texts and numbers."
  def read_truth(path, kind) do
    for line <- File.stream!(path), map = decode(line), map["truth"] == kind, do: map
  end

  @doc "Waits until something is true; gives up after some seconds."
  def eventually(condition, tries \\ 500) do
    cond do
      condition.() -> :ok
      tries == 0 -> flunk("did not become true in time")
      true -> Process.sleep(10) && eventually(condition, tries - 1)
    end
  end

  @doc "Waits until an order is in a state, or has been."
  def eventually_in(order, state) do
    eventually(fn -> Enum.any?(Shop.Audit.recent(), &match?({^order, ^state, _why}, &1)) end)
  end

  @doc "Whether the operating system has a process of this number."
  def os_process?(os_pid) do
    {_out, status} = System.cmd("sh", ["-c", "kill -0 #{os_pid}"], stderr_to_stdout: true)
    status == 0
  end

  # The truth has flat objects; numbers and texts are all that tests look at.
  defp decode(line) do
    ~r/"(\w+)":(?:"((?:[^"\\]|\\.)*)"|(-?\d+))/
    |> Regex.scan(line)
    |> Map.new(fn
      [_all, name, "", number] -> {name, String.to_integer(number)}
      [_all, name, text] -> {name, String.replace(text, ~r/\\(.)/, "\\1")}
    end)
  end
end

ExUnit.start(capture_log: true)

defmodule Shop.CLITest do
  use ExUnit.Case

  import ExUnit.CaptureIO
  import Shop.TestHelp

  alias Shop.{CLI, Faults}

  doctest Shop.Faults, only: [parse: 1]

  @short ["--customers", "4", "--seconds", "1", "--rate", "40"]

  setup :reopen

  test "prints a summary and leaves an open shop open" do
    text = capture_io(fn -> assert CLI.run(@short ++ ["--fault", "lost-update"]) == 0 end)

    assert text =~ "shop: 4 customers, 1 s, seed 1, faults: lost_update\n"
    assert text =~ ~r/actions +160 of 160 in/
    assert text =~ ~r/stock +220,000 initial = .* sold \+ 0 reserved \+ .* left: holds\n/
    assert text =~ ~r/fault +lost_update happened \d+ times\n/
    assert Process.whereis(Shop.Supervisor)
    refute Faults.enabled?(:lost_update)
  end

  test "refuses what makes no sense" do
    assert refusal(["--nonsense"]) =~ "--nonsense is unknown"
    assert refusal(["--seconds", "long"]) =~ "--seconds is unknown or lacks"
    assert refusal(["--seconds", "0"]) =~ "--seconds must be above 0"
    assert refusal(["--fault", "nonsense"]) =~ "there is no fault nonsense"
    assert refusal(["5"]) =~ "5 means nothing here"
  end

  test "helps" do
    text = capture_io(fn -> assert CLI.run(["--help"]) == 0 end)
    for name <- Faults.names(), do: assert(text =~ Atom.to_string(name))
  end

  @tag :tmp_dir
  test "runs as a program without Mix, writes the truth and leaves nothing behind", %{
    tmp_dir: dir
  } do
    truth = Path.join(dir, "truth.jsonl")

    args = @short ++ ["--quiet", "--fault", "crash_on_bad_input"]
    assert {"", 0} = program(args, [{"SHOP_TRUTH", truth}])
    assert [_ | _] = read_truth(truth, "state")
    assert [_ | _] = read_truth(truth, "fault")

    assert %{"os_pid" => os_pid} =
             truth |> read_truth("started") |> Enum.find(&(&1["server"] == "Shop.LabelPrinter"))

    eventually(fn -> not os_process?(os_pid) end)
  end

  test "as a program, says with its status what is wrong" do
    assert {text, 2} = program(["--fault", "nonsense"], [])
    assert text =~ "there is no fault nonsense"
    assert {text, 1} = program(@short, [{"SHOP_TRUTH", "/nowhere/truth"}])
    assert text =~ "cannot write /nowhere/truth"
  end

  defp refusal(args), do: capture_io(:stderr, fn -> assert CLI.run(args) == 2 end)

  defp program(args, env) do
    ebin = Application.app_dir(:shop, "ebin")
    code = "Shop.CLI.main(#{inspect(args)})"
    System.cmd("elixir", ["-pa", ebin, "-e", code], env: env, stderr_to_stdout: true)
  end
end

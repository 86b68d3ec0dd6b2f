defmodule Shop.FaultsTest do
  use ExUnit.Case

  import Shop.TestHelp

  alias Shop.{
    Coupons,
    Faults,
    Inventory,
    Load,
    Loyalty,
    Metrics,
    Notifier,
    Pricing,
    Recommendations
  }

  @moduletag :tmp_dir

  setup [:reopen, :write_truth]

  test "all faults are off, and are switched one by one", %{truth: truth} do
    assert Enum.all?(Faults.list(), &match?({_name, false}, &1))
    assert length(Faults.list()) == 6

    assert :ok = Faults.enable(:bottleneck)
    assert for({name, true} <- Faults.list(), do: name) == [:bottleneck]
    assert :ok = Faults.disable(:bottleneck)
    refute Faults.enabled?(:bottleneck)
    assert {:error, {:unknown_fault, :nonsense}} = Faults.enable(:nonsense)

    assert [%{"fault" => "bottleneck"}, %{"fault" => "bottleneck"}] = truth.("switch")
  end

  test "all happen under load when all are on", %{truth: truth} do
    Enum.each(Faults.names(), &Faults.enable/1)
    report = Load.run(customers: 10, seconds: 1, rate: 30)

    assert Enum.map(report.faults, &elem(&1, 0)) == Faults.names()

    for {name, n} <- report.faults do
      assert n > 0, "#{name} did not happen"
      assert n == Enum.count(truth.("fault"), &(&1["fault"] == Atom.to_string(name)))
    end

    assert Load.Report.ok?(report)
  end

  test "crash_on_bad_input: the server dies of a typing error and is restarted", %{truth: truth} do
    Faults.enable(:crash_on_bad_input)
    server = Process.whereis(Coupons)

    assert {:ok, 10} = Shop.coupon("ada", "SAVE10")
    assert %{"SAVE10" => 1} = Coupons.redeemed()
    assert {:error, :unavailable} = Shop.coupon("ada", "SAVE1O")

    eventually(fn -> Process.whereis(Coupons) not in [nil, server] end)
    assert %{} == Coupons.redeemed()
    assert {:ok, 10} = Shop.coupon("ada", "SAVE10")
    assert 1 = Faults.happened(:crash_on_bad_input)

    pid = text(server)
    assert [%{"pid" => ^pid, "reason" => ":badarg", "by" => ^pid}] = truth.("fault")
    restarted = text(Process.whereis(Coupons))
    assert [%{"pid" => ^restarted, "server" => "Shop.Coupons"}] = truth.("started")
  end

  test "lost_update: what is lost is exactly what the truth says", %{truth: truth} do
    Faults.enable(:lost_update)
    account = Loyalty.account("ada")
    1..30 |> Enum.map(&Task.async(Loyalty, :award, [account, &1])) |> Task.await_many()

    lost = truth.("fault")
    assert length(lost) == Faults.happened(:lost_update)
    assert lost != []
    assert Enum.all?(lost, &(&1["key"] == account and &1["pid"] != &1["lost_pid"]))
    assert Enum.all?(lost, &(&1["read_at_ns"] < &1["lost_at_ns"]))
    assert Enum.all?(lost, &(&1["lost_at_ns"] <= &1["written_at_ns"]))

    awarded = Metrics.all().points_awarded
    assert awarded == 465 * Loyalty.tier(account)
    assert Loyalty.get(account) == awarded - Enum.sum(Enum.map(lost, & &1["lost_points"]))
  end

  test "lost_update: processes that take turns lose nothing" do
    Faults.enable(:lost_update)
    account = Loyalty.account("ada")
    for n <- 1..5, do: Loyalty.award(account, n)
    assert 0 = Faults.happened(:lost_update)
    assert Loyalty.get(account) == Metrics.all().points_awarded
  end

  test "mutual_call: two servers wait for each other until one gives up", %{truth: truth} do
    Faults.enable(:mutual_call)
    {inventory, pricing} = {Process.whereis(Inventory), Process.whereis(Pricing)}
    reserving = Task.async(fn -> Inventory.reserve("x-1", %{"mint" => 1}) end)

    eventually(fn -> waits?(inventory, pricing) and waits?(pricing, inventory) end)
    assert :ok = Task.await(reserving)
    assert {:ok, 550} = Pricing.quote(%{"mint" => 1}, 0)
    assert {Process.whereis(Inventory), Process.whereis(Pricing)} == {inventory, pricing}

    {a, b} = {text(inventory), text(pricing)}
    assert [%{"pid" => ^a, "waited_for" => ^b, "sku" => "mint"}] = truth.("fault")
    assert 1 = Faults.happened(:mutual_call)

    # Each of them is noticed: the first reservation of fifty.
    for n <- 2..101, do: Inventory.reserve("x-#{n}", %{"mint" => 1})
    assert 3 = Faults.happened(:mutual_call)
  end

  test "mutual_call: a pricing server that is merely slow is no deadlock" do
    Faults.enable(:mutual_call)
    :sys.suspend(Pricing)
    assert :ok = Inventory.reserve("x-1", %{"mint" => 1})
    :sys.resume(Pricing)
    assert 0 = Faults.happened(:mutual_call)
  end

  test "bottleneck: who asks for a price waits behind all others", %{truth: truth} do
    Faults.enable(:bottleneck)

    1..20
    |> Enum.map(fn _ -> Task.async(Pricing, :quote, [%{"mint" => 1}, 0]) end)
    |> Task.await_many()

    assert 20 = Faults.happened(:bottleneck)
    assert Enum.any?(truth.("fault"), &(&1["waiting"] > 1))
  end

  test "state_growth: notes are kept for ever", %{truth: truth} do
    for n <- 1..10, do: Notifier.notify("ada", "note #{n}")
    eventually(fn -> Notifier.outbox_size() == 0 end)

    Faults.enable(:state_growth)
    for n <- 1..10, do: Notifier.notify("ada", "note #{n}")
    eventually(fn -> Faults.happened(:state_growth) == 10 end)
    assert 10 = Notifier.outbox_size()
    assert [%{"kept" => 11, "outbox" => 10} | _rest] = truth.("fault")
  end

  test "binary_leak: small teasers keep large pages alive", %{truth: truth} do
    for _ <- 1..100, do: Shop.browse("ada", "mint")
    assert %{teasers: 100, bytes: 20_000, held: 20_000} = Recommendations.memory()

    Faults.enable(:binary_leak)
    for _ <- 1..100, do: Shop.browse("ada", "mint")
    assert %{teasers: 200, bytes: 40_000, held: held} = Recommendations.memory()
    assert held > 100 * 32_000
    assert 100 = Faults.happened(:binary_leak)

    :erlang.garbage_collect(Process.whereis(Recommendations))
    {:binary, binaries} = Process.info(Process.whereis(Recommendations), :binary)
    assert 100 = Enum.count(binaries, fn {_id, size, _refs} -> size > 32_000 end)
    assert [%{"bytes" => 200, "held_bytes" => bytes} | _rest] = truth.("fault")
    assert bytes > 32_000
  end

  test "the written truth names code that exists, and FAULTS.md says the same" do
    text = File.read!("FAULTS.md")

    for name <- Faults.names() do
      truth = Faults.truth(name)
      [_before, section] = String.split(text, "## `:#{name}`", parts: 2)
      section = section |> String.split("\n## ") |> hd()
      {function, arity} = truth.function

      assert truth.name == name
      assert section =~ "`#{inspect(truth.module)}.#{function}/#{arity}`"
      assert section =~ "`#{inspect(truth.kind)}`"
      for module <- truth.processes ++ truth.bystanders, do: assert(section =~ inspect(module))
      for message <- truth.messages, do: assert(section =~ "`#{message}`")

      assert {function, arity} in functions(truth.module)
    end
  end

  # All functions of a module, private ones too.
  defp functions(module) do
    {:ok, {_module, [abstract_code: {_version, forms}]}} =
      module |> :code.which() |> :beam_lib.chunks([:abstract_code])

    for {:function, _line, name, arity, _clauses} <- forms, do: {name, arity}
  end

  # A server that calls another monitors it, and is inside the function that waits for the answer.
  defp waits?(server, other) do
    {:current_function, {module, _function, _arity}} = Process.info(server, :current_function)
    {:monitors, monitors} = Process.info(server, :monitors)
    module == :gen and {:process, other} in monitors
  end

  defp text(pid), do: pid |> :erlang.pid_to_list() |> List.to_string()
end

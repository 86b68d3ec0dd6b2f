defmodule Shop.TreeTest do
  use ExUnit.Case

  import Shop.TestHelp

  alias Shop.{Audit, LabelPrinter}

  setup :reopen

  test "at least twelve kinds of process are at work" do
    Shop.add("ada", "mint", 1)
    {:ok, _order} = Shop.checkout("ada")

    kinds = Shop.Supervisor |> processes() |> Enum.map(&kind/1) |> MapSet.new()

    for module <- [Shop.Inventory, Shop.Pricing, Shop.Payments, Shop.Cart, Shop.Order] do
      assert module in kinds
    end

    for module <- [
          :gen_event,
          Shop.Settings,
          Registry.Partition,
          PartitionSupervisor,
          Shop.Packer
        ] do
      assert module in kinds
    end

    assert MapSet.size(kinds) >= 12
  end

  test "the tree drawn in Shop.Application is the tree" do
    {:docs_v1, _, :elixir, _, %{"en" => doc}, _, _} = Code.fetch_docs(Shop.Application)
    drawn = ~r/─ (Shop[\w.]+)/ |> Regex.scan(doc) |> Enum.map(fn [_, name] -> name end)

    for name <- drawn, name != "Shop.Truth" do
      assert is_pid(Process.whereis(Module.concat([name]))), "#{name} is drawn, but not there"
    end
  end

  test "the printer prints many labels at once" do
    printed =
      1..50 |> Enum.map(&Task.async(LabelPrinter, :print, ["label #{&1}"])) |> Task.await_many()

    assert printed == for(n <- 1..50, do: {:ok, "label #{n}"})
    assert {:ok, "two lines"} = LabelPrinter.print("two\nlines")
  end

  test "a printer that is switched off comes back, and the old one is gone" do
    server = Process.whereis(LabelPrinter)
    old = LabelPrinter.os_pid()
    System.cmd("sh", ["-c", "kill -9 #{old}"])
    eventually(fn -> Process.whereis(LabelPrinter) not in [nil, server] end)
    assert {:ok, "again"} = LabelPrinter.print("again")

    new = LabelPrinter.os_pid()
    Process.exit(Process.whereis(LabelPrinter), :kill)
    eventually(fn -> not os_process?(new) end)
    refute os_process?(old)
  end

  test "an order is shipped though the printer breaks down" do
    Shop.add("ada", "mint", 1)
    {:ok, order} = Shop.checkout("ada")
    # A stopped printer takes the job and does not answer.
    stopped = LabelPrinter.os_pid()
    System.cmd("sh", ["-c", "kill -STOP #{stopped}"])
    assert {:ok, :paid} = Shop.pay(order, "4242")
    eventually(fn -> map_size(:sys.get_state(LabelPrinter).waiting) == 1 end)
    System.cmd("sh", ["-c", "kill -9 #{stopped}"])
    eventually_in(order, :shipped)
  end

  test "no printer is left when the shop closes" do
    os_pid = LabelPrinter.os_pid()
    assert os_process?(os_pid)
    Application.stop(:shop)
    eventually(fn -> not os_process?(os_pid) end)
    :ok = Application.start(:shop)
  end

  test "the audit journal is installed again after a crash" do
    Audit.record("x-1", :created)
    assert [{"x-1", :created, nil}] = Audit.recent()
    :gen_event.notify(Audit, :nonsense)
    eventually(fn -> Audit.recent() == [] end)
    Audit.record("x-2", :created)
    assert [{"x-2", :created, nil}] = Audit.recent()
  end

  test "the catalog finds its bestsellers" do
    for _ <- 1..3, do: Shop.browse("ada", "mint")
    Shop.browse("ada", "cup")
    eventually(fn -> Shop.Catalog.bestsellers() == ["mint", "cup"] end)
  end

  defp processes(supervisor) do
    for {_id, pid, type, _modules} <- Supervisor.which_children(supervisor), is_pid(pid) do
      if type == :supervisor, do: [pid | processes(pid)], else: [pid]
    end
    |> List.flatten()
  end

  # The module of the behaviour's callbacks.
  defp kind(pid) do
    {:dictionary, dictionary} = Process.info(pid, :dictionary)

    case dictionary[:"$initial_call"] do
      {:supervisor, module, 1} -> module
      {module, _function, _arity} -> module
    end
  end
end

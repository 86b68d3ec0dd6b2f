defmodule Shop.LoadTest do
  use ExUnit.Case

  import Shop.TestHelp

  alias Shop.Load
  alias Shop.Load.{Plan, Report}

  doctest Shop.Load.Customer

  @options [customers: 8, seconds: 1, rate: 100, seed: 7]

  setup :reopen

  test "a plan follows from the seed and the customer" do
    plan = Plan.stream(1, 1, 500) |> Enum.to_list()
    assert length(plan) == 500
    assert plan == Plan.stream(1, 1, 500) |> Enum.to_list()
    assert plan != Plan.stream(2, 1, 500) |> Enum.to_list()
    assert plan != Plan.stream(1, 2, 500) |> Enum.to_list()
    assert Enum.take(plan, 100) == Plan.stream(1, 1, 100) |> Enum.to_list()
  end

  test "the same seed does the same, and comes to the same end" do
    first = Load.run(@options)
    reopen(%{})
    second = Load.run(@options)

    assert first.done == first.planned and first.planned == 800
    assert first.actions == second.actions
    assert first.refused == second.refused
    assert first.counts == second.counts

    # A third load, after another: the books are about this one.
    third = Load.run(Keyword.put(@options, :seed, 8))
    assert third.counts != second.counts

    for report <- [first, third] do
      assert Report.ok?(report)
      assert Enum.map(report.checks, & &1.name) == [:orders, :stock, :money, :loyalty]
      assert Enum.all?(report.checks, & &1.holds?)
      assert report.counts.orders_shipped > 0
      assert report.counts.orders_cancelled > 0
      assert report.faults == []
    end

    assert Enum.all?(Shop.Faults.names(), &(Shop.Faults.happened(&1) == 0))
  end

  test "books that do not balance are noticed" do
    before = Report.snapshot()
    Shop.Loyalty.put("nobody", 5)
    Shop.Metrics.count(:revenue, 100)
    options = %{customers: 1, seconds: 1, rate: 1, seed: 1}
    report = Report.new(options, [], 1_000, before, Report.snapshot())

    refute Report.ok?(report)
    assert for(check <- report.checks, not check.holds?, do: check.name) == [:money, :loyalty]
    assert Report.to_text(report) =~ "1.00 of paid orders: BROKEN"
  end

  test "options that make no sense are refused by name" do
    assert_raise ArgumentError, ~r/second/, fn -> Load.run(second: 1) end
    assert_raise ArgumentError, ~r/seconds cannot be 0/, fn -> Load.run(seconds: 0) end
    assert_raise ArgumentError, ~r/rate cannot be 1.5/, fn -> Load.run(rate: 1.5) end
    assert_raise ArgumentError, ~r/seed cannot be :x/, fn -> Load.run(seed: :x) end
  end
end

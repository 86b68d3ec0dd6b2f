defmodule Shop.Load.Report do
  @moduledoc """
  What came of a load: what was done, and whether the books balance.

  Each check compares what two or more servers know, each on its own. A check may have an
  `excuse`: a fault that is switched on and breaks just this.
  """

  alias Shop.{Faults, Inventory, Loyalty, Metrics, Payments}

  defstruct [:options, :planned, :done, :took_ms, :actions, :refused, :counts, :checks, :faults]

  @type check :: %{name: atom, holds?: boolean, excuse: Faults.name() | nil, text: String.t()}
  @type t :: %__MODULE__{
          options: map,
          planned: non_neg_integer,
          done: non_neg_integer,
          took_ms: non_neg_integer,
          actions: %{atom => pos_integer},
          refused: %{{atom, atom} => pos_integer},
          counts: %{atom => integer},
          checks: [check],
          faults: [{Faults.name(), non_neg_integer}]
        }
  @type snapshot :: %{
          counts: map,
          stock: Inventory.totals(),
          faults: %{Faults.name() => non_neg_integer}
        }

  @doc "What the servers know now."
  @spec snapshot :: snapshot
  def snapshot do
    stock = Inventory.totals()
    counts = Map.merge(Metrics.all(), Payments.money())

    %{
      counts: Map.merge(counts, %{points: Loyalty.total(), units_sold: stock.sold}),
      stock: stock,
      faults: Map.new(Faults.names(), &{&1, Faults.happened(&1)})
    }
  end

  @doc "Makes a report of what the customers counted and of the shop before and after."
  @spec new(map, [Shop.Load.Customer.result()], non_neg_integer, snapshot, snapshot) :: t
  def new(options, results, took_ms, before, now) do
    tally = Enum.reduce(results, %{}, &Map.merge(&1, &2, fn _key, a, b -> a + b end))
    counts = Map.new(now.counts, fn {name, n} -> {name, n - Map.get(before.counts, name, 0)} end)

    %__MODULE__{
      options: options,
      planned: options.customers * options.seconds * options.rate,
      done: tally |> Map.values() |> Enum.sum(),
      took_ms: took_ms,
      actions: Enum.reduce(tally, %{}, &add_action/2),
      refused: Map.reject(tally, fn {{_action, outcome}, _n} -> outcome == :ok end),
      counts: counts,
      checks: checks(counts, now.stock),
      faults:
        for({name, true} <- Faults.list(), do: {name, now.faults[name] - before.faults[name]})
    }
  end

  @doc "Whether all that should hold does hold."
  @spec ok?(t) :: boolean
  def ok?(report), do: Enum.all?(report.checks, &(&1.holds? or &1.excuse != nil))

  @doc "The report in a few lines."
  @spec to_text(t) :: String.t()
  def to_text(report) do
    lines = [
      {"actions", done(report)},
      {"", list(report.actions, fn {action, n} -> "#{action} #{number(n)}" end)},
      {"refused", list(report.refused, fn {{action, why}, n} -> "#{action}: #{why} #{n}" end)}
    ]

    checks = for check <- report.checks, do: {check.name, verdict(check)}
    faults = for {name, n} <- report.faults, do: {"fault", "#{name} happened #{number(n)} times"}

    [title(report), "" | Enum.map(lines ++ checks ++ faults, &line/1)] |> Enum.join("\n")
  end

  defp add_action({{action, _outcome}, n}, actions), do: Map.update(actions, action, n, &(&1 + n))

  defp checks(counts, stock) do
    n = fn name -> Map.get(counts, name, 0) end

    [
      check(
        :orders,
        n.(:orders_placed) == n.(:orders_shipped) + n.(:orders_cancelled),
        "#{number(n.(:orders_placed))} placed = #{number(n.(:orders_shipped))} shipped + " <>
          "#{number(n.(:orders_cancelled))} cancelled"
      ),
      check(
        :stock,
        stock.initial == stock.sold + stock.reserved + stock.left and stock.reserved == 0 and
          n.(:units_sold) == n.(:units_shipped),
        "#{number(stock.initial)} initial = #{number(stock.sold)} sold + " <>
          "#{number(stock.reserved)} reserved + #{number(stock.left)} left"
      ),
      check(
        :money,
        n.(:captured) - n.(:refunded) == n.(:revenue),
        "#{money(n.(:captured))} captured - #{money(n.(:refunded))} refunded = " <>
          "#{money(n.(:revenue))} of paid orders"
      ),
      check(
        :loyalty,
        n.(:points) == n.(:points_awarded),
        "#{number(n.(:points_awarded))} points awarded, #{number(n.(:points))} on the accounts",
        :lost_update
      )
    ]
  end

  defp check(name, holds?, text, breaker \\ nil) do
    excuse = if breaker && Faults.enabled?(breaker), do: breaker
    %{name: name, holds?: holds?, excuse: excuse, text: text}
  end

  defp verdict(%{holds?: true, text: text}), do: text <> ": holds"
  defp verdict(%{excuse: nil, text: text}), do: text <> ": BROKEN"
  defp verdict(%{excuse: fault, text: text}), do: text <> ": broken by #{fault}, as expected"

  defp title(%{options: options, faults: faults}) do
    names = if faults == [], do: "no faults", else: "faults: #{list(faults, &elem(&1, 0))}"
    "shop: #{options.customers} customers, #{options.seconds} s, seed #{options.seed}, #{names}"
  end

  defp done(report) do
    rate = div(1_000 * report.done, max(report.took_ms, 1))

    "#{number(report.done)} of #{number(report.planned)} in " <>
      "#{Float.round(report.took_ms / 1_000, 1)} s, #{number(rate)} a second"
  end

  defp line({name, text}), do: "  #{String.pad_trailing("#{name}", 9)} #{text}"

  defp list(items, _show) when items in [%{}, []], do: "nothing"
  defp list(items, show), do: items |> Enum.sort() |> Enum.map_join(", ", show)

  defp money(cents) do
    "#{number(div(cents, 100))}.#{String.pad_leading("#{rem(abs(cents), 100)}", 2, "0")}"
  end

  defp number(n) do
    String.replace(Integer.to_string(n), ~r/(?<=\d)(?=(\d{3})+$)/, ",")
  end
end

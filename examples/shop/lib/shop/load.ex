defmodule Shop.Load do
  @moduledoc """
  Simulated customers. Each is a process that follows a plan.

      Shop.Load.run(customers: 20, seconds: 5, rate: 20, seed: 1)

  Options:

    * `customers`: how many customers come (20)
    * `seconds`: how long they stay (5)
    * `rate`: how many things each does a second (20)
    * `seed`: chooses the plans (1)

  *What* is done follows from the options alone: `seconds * rate` actions a customer, chosen by the
  seed (see `Shop.Load.Plan`). *When* it is done depends on the machine: a customer who is late does
  not wait, and in a slow shop a run takes longer. After `3 * seconds + 2` seconds everybody goes
  home, and the report says how much was left undone.

  One load at a time: the report compares the shop before and after.
  """

  alias Shop.Load.{Customer, Plan, Report}

  @defaults [customers: 20, seconds: 5, rate: 20, seed: 1]

  @type option ::
          {:customers, pos_integer}
          | {:seconds, pos_integer}
          | {:rate, pos_integer}
          | {:seed, integer}

  @doc "Runs a load, waits until all orders are done, and reports."
  @spec run([option]) :: Report.t()
  def run(options \\ []) do
    options = validate!(options)
    before = Report.snapshot()
    start = System.monotonic_time(:millisecond)

    results =
      1..options.customers
      |> Enum.map(&send_customer(&1, start, options))
      |> Task.await_many(:infinity)

    took = System.monotonic_time(:millisecond) - start
    wait_for_orders()
    Report.new(options, results, took, before, Report.snapshot())
  end

  defp send_customer(number, start, options) do
    plan = Plan.stream(options.seed, number, options.seconds * options.rate)

    Task.Supervisor.async(Shop.Load.Customers, Customer, :visit, [
      Customer.name(number),
      plan,
      %{
        start: start + div(1_000 * (number - 1), options.rate * options.customers),
        rate: options.rate,
        deadline: start + 1_000 * (3 * options.seconds + 2)
      }
    ])
  end

  defp wait_for_orders do
    monitors =
      for {_id, pid, _type, _modules} <- DynamicSupervisor.which_children(Shop.OrderSupervisor),
          is_pid(pid),
          do: Process.monitor(pid)

    for monitor <- monitors do
      receive do
        {:DOWN, ^monitor, :process, _pid, _reason} -> :ok
      end
    end
  end

  defp validate!(options) do
    options = Keyword.validate!(options, @defaults)

    for {name, value} <- options do
      if not is_integer(value) or (name != :seed and value < 1) do
        raise ArgumentError, "#{name} cannot be #{inspect(value)}: #{needed(name)} is needed"
      end
    end

    Map.new(options)
  end

  defp needed(:seed), do: "a whole number"
  defp needed(_name), do: "a whole number above 0"
end

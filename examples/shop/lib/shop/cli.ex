defmodule Shop.CLI do
  @usage """
  Usage: mix shop.load [options]

    --customers N   how many customers come (20)
    --seconds N     how long they stay (5)
    --rate N        how many things each does a second (20)
    --seed N        chooses what they do (1)
    --fault NAME    switches a fault on; may be given several times:
                    #{Enum.join(Shop.Faults.names(), ", ")}
    --quiet         prints nothing unless something is wrong
    --help          prints this
  """

  @moduledoc """
  The load generator as a program:

  ```text
  #{@usage}```

  Exit status: 0 when the books balance, 1 when they do not, 2 for arguments that make no sense.

  Without Mix: `elixir -pa _build/dev/lib/shop/ebin -e 'Shop.CLI.main(["--seconds", "2"])'`, in a
  release: `bin/shop eval 'Shop.CLI.main(["--seconds", "2"])'`.
  """

  alias Shop.{Console, Faults, Load}

  @switches [
    customers: :integer,
    seconds: :integer,
    rate: :integer,
    seed: :integer,
    fault: :keep,
    quiet: :boolean,
    help: :boolean
  ]

  @doc "Runs a load and, if anything is wrong, halts with a status other than 0."
  @spec main([String.t()]) :: :ok
  def main(args) do
    case run(args) do
      0 -> :ok
      status -> System.halt(status)
    end
  end

  @doc """
  Runs a load and answers the exit status.

  Starts the shop if it is not open, and closes it again. Faults that were given are switched off
  at the end.
  """
  @spec run([String.t()]) :: 0..2
  def run(args) do
    with {:ok, options} <- parse(args), do: start_and_load(options)
  end

  defp parse(args) do
    {options, rest, invalid} = OptionParser.parse(args, strict: @switches)

    cond do
      options[:help] -> help()
      invalid != [] -> refuse("#{invalid |> hd() |> elem(0)} is unknown or lacks a right value")
      rest != [] -> refuse("#{hd(rest)} means nothing here")
      true -> check(options)
    end
  end

  defp check(options) do
    numbers = Keyword.take(options, [:customers, :seconds, :rate, :seed])
    faults = options |> Keyword.get_values(:fault) |> Enum.map(&Faults.parse/1)
    too_small = Enum.find(numbers, fn {name, n} -> name != :seed and n < 1 end)
    unknown = Enum.find(faults, &match?({:error, _why}, &1))

    cond do
      too_small -> refuse("--#{elem(too_small, 0)} must be above 0")
      unknown -> refuse("there is no fault #{unknown |> elem(1) |> elem(1)}")
      true -> {:ok, {numbers, for({:ok, name} <- faults, do: name), options[:quiet] == true}}
    end
  end

  defp help do
    IO.puts(@usage)
    0
  end

  defp refuse(why) do
    IO.puts(:stderr, "shop: #{why} (see --help)")
    2
  end

  defp start_and_load({numbers, faults, quiet?}) do
    Console.quietly(fn ->
      case Application.ensure_all_started(:shop) do
        {:ok, started} ->
          status = load(numbers, faults, quiet?)
          if :shop in started, do: Application.stop(:shop)
          status

        {:error, {app, reason}} ->
          IO.puts(:stderr, "shop: cannot start #{app}: #{Application.format_error(reason)}")
          1
      end
    end)
  end

  defp load(numbers, faults, quiet?) do
    Enum.each(faults, &Faults.enable/1)
    report = Load.run(numbers)
    Enum.each(faults, &Faults.disable/1)

    ok? = Load.Report.ok?(report)
    unless quiet? and ok?, do: IO.puts(Load.Report.to_text(report))
    if ok?, do: 0, else: 1
  end
end

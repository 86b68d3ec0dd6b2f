defmodule Mix.Tasks.Shop.Load do
  @shortdoc "Opens the shop, lets customers in and sums up"

  @moduledoc """
  Opens the shop, lets simulated customers in and prints a summary.

      mix shop.load --seconds 5 --customers 20 --seed 1 --fault lost_update

  All options: `mix shop.load --help`, see `Shop.CLI`.
  """

  use Mix.Task

  @impl true
  def run(args) do
    Mix.Task.run("app.config")

    case Shop.CLI.run(args) do
      0 -> :ok
      status -> exit({:shutdown, status})
    end
  end
end

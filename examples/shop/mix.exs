defmodule Shop.MixProject do
  use Mix.Project

  def project do
    [
      app: :shop,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      deps: [],
      releases: [shop: [include_executables_for: [:unix], strip_beams: strip_beams?()]]
    ]
  end

  def application do
    [mod: {Shop.Application, []}, extra_applications: [:logger]]
  end

  # Releases have no debug information by default, as most in the world have none.
  # SHOP_DEBUG_INFO=1 keeps it, for tools that read the code of a module.
  defp strip_beams?, do: System.get_env("SHOP_DEBUG_INFO") == nil
end

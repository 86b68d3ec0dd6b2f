defmodule Mix.Tasks.Compile.ElixirScope do
  @shortdoc "Weaves probes into the modules that were compiled"
  @moduledoc """
  Weaves probes into the project's compiled modules, so that a recording has their calls, lines and variables.

      def project do
        [
          ...,
          compilers: Mix.compilers() ++ [:elixir_scope],
          elixir_scope: [weave: ["MyApp.*"], depth: :lines]
        ]
      end

  Probes do nothing until the system is recorded; a pair then costs some tens of nanoseconds, else about ten.

  ## Configuration

  Under `:elixir_scope` of the project:

    * `:weave` - names of modules, or prefixes that end in `*`; all of the project's, where it is left out
    * `:except` - the same, of modules that are left as they are
    * `:depth` - `:calls` (the default), `:lines`, or `:values`
    * `:envs` - where it is done; `[:dev, :test]` where it is left out. `:prod` only where it is named here
    * `:deps` - names of dependencies whose modules are woven too, `[]` where it is left out

  ## Options

    * `--force` - weaves all modules anew

  Only what changed since is woven again. A module keeps its own debug information. What cannot be woven is left as it is and named
  with the reason. Where the compiler is taken out of the list again, `mix compile --force` brings back what was; where `:envs`, `:weave`
  or `:except` no longer name a module, the next compilation does.
  """
  use Mix.Task.Compiler

  alias ElixirScope.Weaving

  @impl true
  def run(args) do
    {options, _, _} = OptionParser.parse(args, switches: [force: :boolean])
    config = Weaving.config(Mix.Project.config(), Mix.env())

    results = for {path, store} <- places(config), do: Weaving.run(path, store, Map.put(config, :force, options[:force] || false))

    refused = Enum.flat_map(results, & &1.refused)
    for {module, why} <- refused, do: Mix.shell().info("#{inspect(module)} is not woven: #{why}")

    case results |> Enum.map(& &1.woven) |> Enum.sum() do
      0 -> {:noop, []}
      1 -> done("1 module is woven")
      n -> done("#{n} modules are woven")
    end
  end

  @impl true
  def manifests, do: [Weaving.manifest(store(Mix.Project.config()[:app]))]

  # What was woven belongs to the build's own folder, which goes too.
  @impl true
  def clean, do: File.rm_rf!(store(Mix.Project.config()[:app]))

  defp done(text) do
    Mix.shell().info(text)
    {:ok, []}
  end

  # The project itself, an umbrella's children run this task themselves.
  defp places(config) do
    app = Mix.Project.config()[:app]
    own = if app, do: [{Mix.Project.compile_path(), store(app)}], else: []
    own ++ for dep <- config.deps, do: {Path.join([Mix.Project.build_path(), "lib", to_string(dep), "ebin"]), store(dep)}
  end

  defp store(app), do: Path.join([Mix.Project.build_path(), "elixir_scope", to_string(app)])
end

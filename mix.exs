defmodule Mix.Tasks.Compile.ElixirScopeNative do
  @moduledoc false
  # Builds the C program and the NIF with make, and puts them into the application's priv directory.
  use Mix.Task.Compiler

  @impl true
  def run(_args) do
    build = Path.join(File.cwd!(), "build")

    case System.cmd("make", ["all", "BUILD=#{build}"], stderr_to_stdout: true) do
      {_output, 0} ->
        priv = Path.join(Mix.Project.app_path(), "priv")
        File.mkdir_p!(priv)
        File.cp!(Path.join(build, "elixirscope"), Path.join(priv, "elixirscope"))
        File.cp!(Path.join(build, "priv/elixirscope_nif.so"), Path.join(priv, "elixirscope_nif.so"))
        {:ok, []}

      {output, _status} ->
        Mix.shell().error(output)
        {:error, []}
    end
  end
end

defmodule ElixirScope.MixProject do
  use Mix.Project

  def project do
    [
      app: :elixir_scope,
      version: "0.1.0",
      elixir: "~> 1.14",
      compilers: [:elixir_scope_native] ++ Mix.compilers(),
      erlc_options: [:debug_info],
      description: "Records what an Elixir or Erlang system does, and plays it back.",
      package: [licenses: ["MIT"], files: ~w(lib src c_src script CMakeLists.txt Makefile mix.exs README.md LICENSE)]
    ]
  end

  def application, do: [extra_applications: [:logger]]
end

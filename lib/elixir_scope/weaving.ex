defmodule ElixirScope.Weaving do
  @moduledoc false
  # Weaving of a folder of compiled modules. Beside what it wove it keeps the modules as they came from the compiler, so that they are
  # woven again, to another depth, or brought back, without compiling. `store`: a folder for these, and the manifest: of each module the
  # MD5 of what lies in `path` now, and how it was woven.

  @depths [:calls, :lines, :values]

  @type config :: %{
          weave: [String.t()],
          except: [String.t()],
          depth: :calls | :lines | :values,
          deps: [atom],
          on: boolean,
          force: boolean
        }
  @type result :: %{woven: non_neg_integer, refused: [{module, String.t()}]}

  @doc "What a project says, with what it leaves out. Raises with a sentence about what is wrong."
  @spec config(keyword, atom) :: config
  def config(project, env) do
    given = Keyword.get(project, :elixir_scope, [])
    known = [:weave, :except, :depth, :envs, :deps]

    for {key, _} <- given, key not in known,
        do: Mix.raise("elixir_scope: there is no option #{inspect(key)}; there are: #{Enum.map_join(known, ", ", &inspect/1)}")

    depth = Keyword.get(given, :depth, :calls)
    unless depth in @depths, do: Mix.raise("elixir_scope: depth is #{inspect(depth)}, and not one of #{inspect(@depths)}")

    names = fn key, default -> Enum.map(List.wrap(Keyword.get(given, key, default)), &name(key, &1)) end

    %{
      weave: names.(:weave, "*"),
      except: names.(:except, []),
      depth: depth,
      deps: List.wrap(Keyword.get(given, :deps, [])),
      on: env in List.wrap(Keyword.get(given, :envs, [:dev, :test])),
      force: false
    }
  end

  defp name(_key, text) when is_binary(text) and text != "", do: text
  defp name(_key, module) when is_atom(module) and module not in [nil, true, false], do: inspect(module)
  defp name(key, other), do: Mix.raise("elixir_scope: #{inspect(key)} has #{inspect(other)}, which is no module's name")

  @spec manifest(Path.t()) :: Path.t()
  def manifest(store), do: Path.join(store, "manifest")

  @spec run(Path.t(), Path.t(), config) :: result
  def run(path, store, config) do
    before = read(store)
    files = Map.new(Path.wildcard(Path.join(path, "*.beam")), &{Path.basename(&1, ".beam"), &1})
    entries = Enum.map(files, fn {name, file} -> {name, one(name, file, store, before[name], config)} end)

    for name <- Map.keys(before), not is_map_key(files, name), do: File.rm(original(store, name))
    kept = for {name, {_, entry}} <- entries, entry != nil, into: %{}, do: {name, entry}
    unless kept == before, do: write(store, kept)

    %{
      woven: Enum.count(entries, &match?({_, {:woven, _}}, &1)),
      refused: for({name, {{:refused, why}, _}} <- entries, do: {String.to_atom(name), why})
    }
  end

  # {what was done, its entry in the manifest}
  defp one(name, file, store, entry, config) do
    beam = File.read!(file)
    md5 = :erlang.md5(beam)
    ours = match?(%{md5: ^md5}, entry)
    wanted = if config.on and named?(name, config), do: key(config)

    cond do
      ours and entry.how == wanted and not config.force -> {:same, entry}
      ours -> again(file, store, name, wanted)
      wanted == nil -> {:same, nil}
      refused?(entry, md5, wanted) and not config.force -> {:same, entry}
      true -> weave(file, store, name, beam, wanted)
    end
  end

  defp refused?(%{refused: md5, how: how}, md5, how), do: true
  defp refused?(_, _, _), do: false

  defp again(file, store, name, wanted) do
    beam = File.read!(original(store, name))

    if wanted do
      weave(file, store, name, beam, wanted)
    else
      File.write!(file, beam)
      File.rm(original(store, name))
      {:back, nil}
    end
  end

  defp weave(file, store, name, beam, {depth, _} = how) do
    case :elixirscope_loom.weave_code(beam, depth) do
      {:ok, woven} ->
        File.mkdir_p!(store)
        File.write!(original(store, name), beam)
        File.write!(file, woven)
        {:woven, %{md5: :erlang.md5(woven), how: how}}

      {:error, why} ->
        {{:refused, why}, %{refused: :erlang.md5(beam), how: how}}
    end
  end

  # Another version of the transformation weaves anew.
  defp key(config), do: {config.depth, :elixirscope_weave.module_info(:md5)}

  defp named?(name, %{weave: weave, except: except}), do: any?(name, weave) and not any?(name, except) and not ours?(name)
  defp any?(name, names), do: Enum.any?(names, &:elixirscope_spec.named(String.to_atom(name), &1))
  defp ours?(name), do: String.starts_with?(name, ["elixirscope", "Elixir.ElixirScope", "Elixir.Mix.Tasks.Compile.ElixirScope"])

  # ---- the manifest ----

  defp original(store, name), do: Path.join(store, name <> ".beam")

  defp read(store) do
    with {:ok, bytes} <- File.read(manifest(store)), {:elixir_scope, 1, entries} <- term(bytes), do: entries, else: (_ -> %{})
  end

  defp term(bytes) do
    :erlang.binary_to_term(bytes)
  rescue
    ArgumentError -> :damaged
  end

  defp write(store, entries) do
    File.mkdir_p!(store)
    File.write!(manifest(store), :erlang.term_to_binary({:elixir_scope, 1, entries}))
  end
end

defmodule Shop.JSON do
  @moduledoc """
  Writes JSON, as much as `Shop.Truth` needs.

      iex> Shop.JSON.encode(sku: "mint", left: 3, sold_out: false) |> IO.iodata_to_binary()
      ~s({"sku":"mint","left":3,"sold_out":false})

  A keyword list is an object whose fields keep their order. Pids are written as Erlang does
  (`"<0.123.0>"`), modules as Elixir does (`"Shop.Cart"`), all that JSON has no word for as
  `inspect/2` shows it.
  """

  @doc "Encodes a term."
  @spec encode(term) :: iodata
  def encode(nil), do: "null"
  def encode(bool) when is_boolean(bool), do: Atom.to_string(bool)

  def encode(atom) when is_atom(atom),
    do: atom |> inspect() |> String.trim_leading(":") |> encode()

  def encode(number) when is_integer(number), do: Integer.to_string(number)
  def encode(number) when is_float(number), do: Float.to_string(number)

  def encode(pid) when is_pid(pid),
    do: pid |> :erlang.pid_to_list() |> List.to_string() |> encode()

  def encode(text) when is_binary(text) do
    if String.valid?(text),
      do: [?", escape(text), ?"],
      else: encode(inspect(text))
  end

  def encode([{name, _value} | _] = object) when is_atom(name) do
    fields = for {name, value} <- object, do: [encode(name), ?:, encode(value)]
    [?{, Enum.intersperse(fields, ?,), ?}]
  end

  def encode(list) when is_list(list) do
    [?[, list |> Enum.map(&encode/1) |> Enum.intersperse(?,), ?]]
  end

  def encode(term), do: encode(inspect(term, limit: :infinity, printable_limit: :infinity))

  defp escape(text), do: for(<<char::utf8 <- text>>, do: escape_char(char))

  defp escape_char(?"), do: "\\\""
  defp escape_char(?\\), do: "\\\\"
  defp escape_char(?\n), do: "\\n"

  defp escape_char(char) when char < 0x20 do
    ["\\u", char |> Integer.to_string(16) |> String.pad_leading(4, "0")]
  end

  defp escape_char(char), do: <<char::utf8>>
end

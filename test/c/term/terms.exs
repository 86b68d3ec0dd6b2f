# SPDX-License-Identifier: MIT
# Ground truth for the printer: a line a term, "ETF in hexadecimal, tab, what inspect/2 says", where both notations are meant to agree.
defmodule MyApp.Cart, do: defstruct(items: [], total: 0)
defmodule MyApp.Problem, do: defexception([:code, message: "a problem"])

defmodule Truth do
  @compile {:no_warn_undefined, [Foo, nil, :"foo bar"]}

  def terms do
    long = fn n -> Enum.to_list(1..n) end

    [
      :foo, :"foo bar", :+, :foo@bar, :foo?, :foo!, :Foo, Foo.Bar, :"Elixir.foo", Elixir, :"Elixir.Foo.bar", :"Elixir.Elixir", :"Elixir.Elixir.Foo",
      :"Elixir.Foo_1", :"Elixir.F@", :"Elixir.É", :"Elixir.", :"Elixir.Foo.", :"Elixir.Foo?", nil, true, false, :"a\nb", :"", :.., :..//, :..., :"::",
      :{}, :%{}, :<<>>, :%, :&, :|>, :->, :., :when, :and, :do, :end, :fn, :_a, :_, :_?, :A_b, :Foo@, :"foo?bar", :"1a", :"a-b", :"@a", :żółw, :é,
      :日本, :"a\0", :"a\x01", :"😀", :"a\#{b", :"×", :"a²",
      [], [1], [1, 2, 3], [nil: 1], [true: 1], [+: 1], ["foo bar": 1], [Foo: 1], [{Foo, 1}], [{:a, 1}, 2], [{:a, 1} | :b], ["": 1], ["a\"b": 1],
      [..//: 1], ["::": 1], [{}: 1], [%{}: 1], [.: 1], [<<>>: 1], [&: 1], [do: 1, end: 2], [foo?: 1], [Foo@: 1], [a: [b: [c: 1]]], [[a: 1], {:b, 2}],
      ["żółw": 1], [{:a, 1, 2}], [{1, 2}], [{:a}], {[a: 1]}, {:a, [b: 1]}, [1 | 2], [:a, :b | {:c}],
      'abc', [7, 8, 9], 'a\'b"', 'a\#{b', 'a#b#', [380, 243], [127], [0], [97 | :b],
      "", "abc", "a\"b'\\ \#{x} #x #", "\a\b\d\e\f\n\r\t\v", "\0", "a\x01", "é", "\uFEFF", "\uFFFF", "😀", <<255>>, <<97, 255>>, <<1, 2>>, <<1::3>>,
      <<5, 1::3>>, <<97, 98, 1::7>>,
      %{}, %{a: 1}, %{:a => 1, "b" => 2}, %{Foo => 1}, %{nil => 1}, %{1 => %{2 => 3}}, %{[a: 1] => {}}, %{"foo bar": 1, b: 2}, %{{1, 2} => 'x'},
      %{__struct__: 1, a: 1}, %{:__struct__ => Foo, 1 => 2},
      {}, {1}, {:ok, "x"}, {{}, {[]}},
      0, -1, 255, 1_000_000, 0x7FFFFFFFFFFFFFFF, -0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 100000000000000000000000, -100000000000000000000000,
      0.0, -0.0, 1.0, -1.5, 1.0e10, 1.0e15, 1.0e16, 9.0e15, 1.5e10, 1.5e16, 1.0e22, 1.0e-5, 1.0e-4, 0.001234, 1234567.25, 12345678901234567.0, 5.0e-324,
      1.7976931348623157e308, 123456789.0, 0.1, 1.0e100,
      1..10, 1..10//2, 10..1//-1, MapSet.new([1, 2]), MapSet.new(), MapSet.new([:a, "b", {1, 2}]), MapSet.new([MapSet.new([1]), %{a: MapSet.new([2])}]),
      ~D[2020-01-01], ~D[-0001-01-01], ~T[01:02:03], ~T[01:02:03.5], ~T[01:02:03.000], ~N[2020-01-01 01:02:03], ~N[2020-12-31 23:59:59.999999],
      ~U[2020-01-01 01:02:03.000123Z], ~U[1999-01-01 00:00:00Z],
      %DateTime{year: 2000, month: 2, day: 29, hour: 23, minute: 0, second: 7, microsecond: {0, 0}, zone_abbr: "CET", utc_offset: 3600, std_offset: 0,
                time_zone: "Europe/Warsaw"},
      %DateTime{year: 2000, month: 2, day: 29, hour: 23, minute: 0, second: 7, microsecond: {120000, 2}, zone_abbr: "AMT", utc_offset: -5400,
                std_offset: 3600, time_zone: "America/Manaus"},
      ~r/a/i, ~r/a\/b/, ~r/^\d+$/u, ~r//,
      %MyApp.Cart{}, %MyApp.Cart{items: [%MyApp.Cart{}], total: 1.5}, %RuntimeError{message: "x"}, %MyApp.Problem{code: 7}, %ArgumentError{},
      %{c: %MyApp.Cart{items: [a: 1]}}, [%MyApp.Cart{} | %MyApp.Cart{}],
      &Foo.bar/1, &:lists.map/2, &Foo."foo bar"/1, &:"foo bar".a/1, &Foo.bar?/0, &nil.a/1, &:erlang.+/2, Function.capture(Kernel, :.., 2), &Foo."A"/0, &Foo."a@b"/0,
      :erlang.list_to_pid('<0.1.2>'), self(), make_ref(), hd(Port.list()), long.(300), List.to_tuple(long.(300)), Enum.map(long.(50), &{:"k#{&1}", &1}),
      Map.new(long.(20), &{&1, &1}), String.duplicate("x", 5000), [a: nil, b: [1, [2, [3, [4]]]]]
    ]
  end
end

for t <- Truth.terms() do
  text = inspect(t, limit: :infinity, printable_limit: :infinity, width: :infinity)
  IO.puts([Base.encode16(:erlang.term_to_binary(t)), ?\t, text])
end

defmodule Shop.TruthTest do
  use ExUnit.Case

  import Shop.TestHelp

  alias Shop.{Cart, JSON, Truth}

  doctest Shop.JSON

  @moduletag :tmp_dir

  setup :reopen

  test "without a file nothing is written, and no field is computed" do
    assert :ok = Truth.note(:never, fn -> flunk("was computed") end)
  end

  describe "with a file" do
    setup :write_truth

    test "every version of a cart is written as it was", %{truth: truth} do
      Shop.add("ada", "mint", 1)
      Shop.add("ada", "cup", 2)
      Shop.coupon("ada", "SAVE5")
      Shop.coupon("ada", "SAVE1O")
      cart = Cart.contents("ada")

      lines = truth.("state")
      assert Enum.map(lines, & &1["version"]) == [0, 1, 2, 3]
      assert Enum.all?(lines, &(&1["process"] == "Shop.Cart" and &1["key"] == "ada"))
      assert Enum.map(lines, & &1["ns"]) == lines |> Enum.map(& &1["ns"]) |> Enum.sort()

      last = List.last(lines)
      assert last["hash"] == :erlang.phash2(cart, 4_294_967_296)
      assert {^cart, _binding} = Code.eval_string(last["state"])
    end

    test "every state of an order is written", %{truth: truth} do
      Shop.add("ada", "mint", 1)
      {:ok, order} = Shop.checkout("ada")
      {:ok, :paid} = Shop.pay(order, "4242")
      eventually_in(order, :shipped)

      assert for(line <- truth.("order_state"), do: {line["from"], line["to"]}) == [
               {nil, "created"},
               {"created", "reserved"},
               {"reserved", "paid"},
               {"paid", "shipped"}
             ]
    end
  end

  test "JSON that is hard to write" do
    assert json(text: "a \"b\" \\ \n \t \0 é") == ~S({"text":"a \"b\" \\ \n \u0009 \u0000 é"})
    assert json(bytes: <<255, 0>>) == ~S({"bytes":"<<255, 0>>"})

    assert json([nil, true, :ok, -1, 1.5, Shop.Cart, []]) ==
             ~S([null,true,"ok",-1,1.5,"Shop.Cart",[]])

    assert json(map: %{a: 1}, tuple: {1, "x"}) == ~S({"map":"%{a: 1}","tuple":"{1, \"x\"}"})
    assert json(self()) == ~s("#{:erlang.pid_to_list(self())}")
  end

  test "a file that cannot be written is named", %{tmp_dir: dir} do
    Process.flag(:trap_exit, true)
    assert {:error, reason} = Truth.start_link(dir)
    assert reason =~ dir
  end

  defp json(term), do: term |> JSON.encode() |> IO.iodata_to_binary()
end

defmodule ShopTest do
  use ExUnit.Case

  import Shop.TestHelp

  alias Shop.{Audit, Cart, Inventory, Loyalty, Metrics, Payments}

  @card "4242"
  @declined "0002"

  setup :reopen

  test "a visit from the page to the parcel" do
    assert {:ok, 690} = Shop.browse("ada", "earl-grey")
    assert ["earl-grey"] = Shop.suggestions()
    assert :ok = Shop.add("ada", "earl-grey", 2)
    assert :ok = Shop.add("ada", "pot", 1)
    assert :ok = Shop.add("ada", "mint", 9)
    assert :ok = Shop.remove("ada", "mint")
    assert {:ok, 10} = Shop.coupon("ada", "SAVE10")
    assert {:ok, "ada-1"} = Shop.checkout("ada")
    assert {:ok, :paid} = Shop.pay("ada-1", @card)

    cents = 2 * 690 + 3_900 - 528
    assert %{captured: ^cents, refunded: 0} = Payments.money()

    eventually_in("ada-1", :shipped)
    assert %{sold: 3, reserved: 0} = Inventory.totals()
    assert %{orders_placed: 1, orders_shipped: 1, units_shipped: 3} = Metrics.all()

    eventually(fn -> Shop.track("ada-1") == {:error, :unknown_order} end)
    states = for {"ada-1", state, _why} <- Audit.recent(), do: state
    assert states == [:shipped, :paid, :reserved, :created]
    assert {:ok, "ada-2"} = with(:ok <- Shop.add("ada", "cup", 1), do: Shop.checkout("ada"))
  end

  test "what is sold out cannot be bought, and nothing else is reserved with it" do
    Shop.add("ada", "mint", 1)
    Shop.add("ada", "yuzu-2019", 1)
    {:ok, order} = Shop.checkout("ada")
    assert {:error, {:out_of_stock, "yuzu-2019"}} = Shop.pay(order, @card)
    eventually_in(order, :cancelled)
    assert %{sold: 0, reserved: 0} = Inventory.totals()
  end

  test "a declined card cancels the order and gives the stock back" do
    order = order("ada", "mint", 3)
    assert {:error, :declined} = Shop.pay(order, @declined)
    eventually_in(order, :cancelled)
    assert %{sold: 0, reserved: 0} = Inventory.totals()
    assert %{captured: 0} = Payments.money()
  end

  test "an order can be cancelled, once" do
    order = order("ada", "mint", 3)
    answers = ask(order, [:track, :cancel, :track, :cancel, {:pay, @card}])

    assert answers == [
             {:ok, :reserved},
             :ok,
             {:ok, :cancelled},
             {:error, :cancelled},
             {:error, :customer}
           ]
  end

  test "who cancels while the card is being charged has to wait for the card" do
    :sys.suspend(Payments)
    order = order("ada", "mint", 3)
    requests = send_requests(order, [{:pay, @card}, :cancel])
    assert {:reserved, %{payment: charge}} = :sys.get_state(whereis(order))
    assert is_reference(charge)
    :sys.resume(Payments)

    assert [{:ok, :paid}, {:error, :paid}] = answers(requests)
  end

  test "an order nobody pays is cancelled by itself" do
    order = order("ada", "mint", 3)
    eventually_in(order, :cancelled)
    assert %{reserved: 0} = Inventory.totals()
    assert {^order, :cancelled, :unpaid} = hd(Audit.recent())
  end

  test "a parcel that cannot be sent is paid back after three attempts" do
    Shop.Settings.put(:carriers, [])
    order = order("ada", "mint", 3)
    assert {:ok, :paid} = Shop.pay(order, @card)
    eventually_in(order, :cancelled)
    assert %{captured: 1_650, refunded: 1_650} = Payments.money()
    assert %{sold: 0, reserved: 0} = Inventory.totals()
  end

  test "the stock of an order that dies comes back" do
    order = order("ada", "mint", 3)
    eventually(fn -> Inventory.totals().reserved == 3 end)
    Process.exit(whereis(order), :kill)
    eventually(fn -> Inventory.totals().reserved == 0 end)
    assert {:error, :unknown_order} = Shop.pay(order, @card)
  end

  test "scarce goods cost more" do
    assert {:ok, 550} = Shop.Pricing.quote(%{"mint" => 1}, 0)
    Shop.Pricing.stock_changed("mint", 10)
    assert {:ok, 605} = Shop.Pricing.quote(%{"mint" => 1}, 0)
    Shop.Pricing.stock_changed("mint", 10_000)
    assert {:ok, 550} = Shop.Pricing.quote(%{"mint" => 1}, 0)
  end

  test "points are added by the server, however many award at once" do
    account = Loyalty.account("ada")
    tier = Loyalty.tier(account)
    for _ <- 1..50, do: Task.async(fn -> Loyalty.award(account, 2) end)
    eventually(fn -> Loyalty.total() == 100 * tier end)
  end

  test "mistakes are answered, not raised" do
    assert {:error, :unknown_product} = Shop.browse("ada", "coffee")
    assert {:error, :unknown_product} = Shop.add("ada", "coffee", 1)
    assert {:error, :empty_cart} = Shop.checkout("ada")
    assert {:error, :bad_coupon} = Shop.coupon("ada", "SAVE1O")
    assert {:error, :bad_coupon} = Shop.coupon("ada", "SAVE99")
    assert {:error, :bad_coupon} = Shop.coupon("ada", "free!")
    assert {:error, :unknown_order} = Shop.pay("nobody-1", @card)
    assert {:error, :unknown_order} = Shop.cancel("nobody-1")
    assert %{version: 0} = Cart.contents("ada")
  end

  defp order(customer, sku, count) do
    :ok = Shop.add(customer, sku, count)
    {:ok, order} = Shop.checkout(customer)
    order
  end

  # All at once, so that the order serves them one after the other.
  defp ask(order, requests), do: order |> send_requests(requests) |> answers()

  defp send_requests(order, requests) do
    pid = whereis(order)
    for request <- requests, do: :gen_statem.send_request(pid, request)
  end

  defp answers(requests) do
    for request <- requests do
      {:reply, answer} = :gen_statem.wait_response(request, 5_000)
      answer
    end
  end

  defp whereis(order) do
    [{pid, _value}] = Registry.lookup(Shop.Registry, {:order, order})
    pid
  end
end

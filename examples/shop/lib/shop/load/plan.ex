defmodule Shop.Load.Plan do
  @moduledoc """
  What a customer is going to do, chosen by a seed: the same seed, the same plan, on any machine.

  A plan knows what is in the cart at each step, so that nobody orders an empty cart. It is a stream,
  so that a long plan takes no memory.
  """

  @sold_out "yuzu-2019"
  @coupons ["SAVE5", "SAVE10", "SAVE20"]
  # What people type: the letter O for the digit, a comma, nothing.
  @mistyped ["SAVE1O", "SAVE5,", "SAVE"]
  @card "4000 1234 5678 4242"
  @declined "4000 1234 5678 0002"

  @type ending :: {:pay, String.t()} | {:pay_and_review, String.t()} | :cancel | :abandon
  @type action ::
          {:browse, Shop.sku()}
          | :suggestions
          | {:add, Shop.sku(), pos_integer}
          | {:remove, Shop.sku()}
          | {:coupon, String.t()}
          | {:order, ending}
          | :track

  @doc "The first `count` actions of a customer."
  @spec stream(seed :: integer, customer :: pos_integer, count :: non_neg_integer) ::
          Enumerable.t()
  def stream(seed, customer, count) do
    {:rand.seed_s(:exsss, {seed, customer, 1}), MapSet.new()}
    |> Stream.unfold(&next/1)
    |> Stream.take(count)
  end

  defp next({rng, cart}) do
    {what, rng} =
      weighted(rng,
        browse: 46,
        add: 24,
        order: 13,
        coupon: 6,
        suggestions: 4,
        track: 4,
        remove: 3
      )

    # An empty cart cannot be ordered, and nothing taken out of it.
    what = if MapSet.size(cart) == 0 and what in [:order, :remove], do: :add, else: what
    {action, rng} = action(what, cart, rng)
    {action, {rng, after_action(cart, action)}}
  end

  defp action(:browse, _cart, rng) do
    {sku, rng} = pick(rng, Shop.Products.skus())
    {{:browse, sku}, rng}
  end

  defp action(:add, _cart, rng) do
    {sku, rng} = product(rng)
    {count, rng} = :rand.uniform_s(3, rng)
    {{:add, sku, count}, rng}
  end

  defp action(:remove, cart, rng) do
    {sku, rng} = pick(rng, Enum.sort(cart))
    {{:remove, sku}, rng}
  end

  defp action(:coupon, _cart, rng) do
    {codes, rng} = weighted(rng, [{@coupons, 4}, {@mistyped, 1}])
    {code, rng} = pick(rng, codes)
    {{:coupon, code}, rng}
  end

  defp action(:order, _cart, rng) do
    {ending, rng} =
      weighted(rng, [
        {{:pay, @card}, 50},
        {{:pay_and_review, @card}, 25},
        {{:pay, @declined}, 5},
        {:cancel, 10},
        {:abandon, 10}
      ])

    {{:order, ending}, rng}
  end

  defp action(what, _cart, rng), do: {what, rng}

  defp after_action(cart, {:add, sku, _count}), do: MapSet.put(cart, sku)
  defp after_action(cart, {:remove, sku}), do: MapSet.delete(cart, sku)
  defp after_action(_cart, {:order, _ending}), do: MapSet.new()
  defp after_action(cart, _action), do: cart

  # One in fifty wants what is sold out.
  defp product(rng) do
    case :rand.uniform_s(50, rng) do
      {1, rng} -> {@sold_out, rng}
      {_other, rng} -> pick(rng, Shop.Products.skus() -- [@sold_out])
    end
  end

  defp pick(rng, list) do
    {n, rng} = :rand.uniform_s(length(list), rng)
    {Enum.at(list, n - 1), rng}
  end

  defp weighted(rng, choices) do
    {n, rng} = :rand.uniform_s(choices |> Enum.map(&elem(&1, 1)) |> Enum.sum(), rng)
    {choose(choices, n), rng}
  end

  defp choose([{value, weight} | _rest], n) when n <= weight, do: value
  defp choose([{_value, weight} | rest], n), do: choose(rest, n - weight)
end

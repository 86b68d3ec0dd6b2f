defmodule Shop.Load.Customer do
  @moduledoc """
  A simulated customer: a process that does what its plan says, in its own time.

  Whatever goes wrong in the shop, a customer shrugs and goes on; what came of each action is counted.
  """

  @names ~w(ada alan barbara claude dorothy edsger frances grace hedy ivan
            joan ken leslie margaret niklaus ole peter radia sophie tony)

  @type pace :: %{start: integer, rate: pos_integer, deadline: integer}
  @typedoc "How often each action came to which end."
  @type result :: %{{action :: atom, outcome :: atom} => pos_integer}

  @doc """
  The name of the n-th customer.

      iex> Enum.map([1, 2, 21], &Shop.Load.Customer.name/1)
      ["ada", "alan", "ada-2"]
  """
  @spec name(pos_integer) :: Shop.customer()
  def name(number) do
    name = Enum.at(@names, rem(number - 1, length(@names)))

    case div(number - 1, length(@names)) do
      0 -> name
      n -> "#{name}-#{n + 1}"
    end
  end

  @doc "Carries out a plan and counts what came of it. Times are monotonic milliseconds."
  @spec visit(Shop.customer(), Enumerable.t(), pace) :: result
  def visit(name, plan, pace) do
    label({:customer, name})

    plan
    |> Stream.with_index()
    |> Enum.reduce_while({nil, %{}}, fn {action, index}, {order, result} ->
      if wait_until(pace.start + div(1_000 * index, pace.rate)) > pace.deadline do
        {:halt, {order, result}}
      else
        {outcome, order} = try_to(action, name, order)
        {:cont, {order, Map.update(result, {kind(action), outcome}, 1, &(&1 + 1))}}
      end
    end)
    |> elem(1)
  end

  defp wait_until(due) do
    now = System.monotonic_time(:millisecond)
    if due > now, do: Process.sleep(due - now)
    now
  end

  defp try_to(action, name, order) do
    act(action, name, order)
  catch
    :exit, _reason -> {:failed, order}
  end

  # Answers the outcome, and the newest order.
  defp act({:browse, sku}, name, order), do: {outcome(Shop.browse(name, sku)), order}
  defp act({:add, sku, count}, name, order), do: {outcome(Shop.add(name, sku, count)), order}
  defp act({:remove, sku}, name, order), do: {outcome(Shop.remove(name, sku)), order}
  defp act({:coupon, code}, name, order), do: {outcome(Shop.coupon(name, code)), order}

  defp act(:suggestions, _name, order) do
    Shop.suggestions()
    {:ok, order}
  end

  # Whether the order is still known is a matter of time, and no outcome.
  defp act(:track, _name, order) do
    if order, do: Shop.track(order)
    {:ok, order}
  end

  defp act({:order, ending}, name, order) do
    case Shop.checkout(name) do
      {:ok, order} -> {outcome(finish(ending, name, order)), order}
      error -> {outcome(error), order}
    end
  end

  defp finish({:pay, card}, _name, order), do: Shop.pay(order, card)
  defp finish(:cancel, _name, order), do: Shop.cancel(order)
  defp finish(:abandon, _name, _order), do: :ok

  defp finish({:pay_and_review, card}, name, order) do
    with {:ok, :paid} <- Shop.pay(order, card), do: Shop.review(name)
  end

  defp outcome(:ok), do: :ok
  defp outcome({:ok, _value}), do: :ok
  defp outcome({:error, {why, _detail}}), do: why
  defp outcome({:error, why}), do: why

  defp kind(action) when is_atom(action), do: action
  defp kind(action), do: elem(action, 0)

  # Since OTP 27 a process can have a label for people to read.
  defp label(label) do
    if function_exported?(:proc_lib, :set_label, 1), do: apply(:proc_lib, :set_label, [label])
  end
end

defmodule Shop.Coupons do
  @moduledoc """
  Redeems coupons (`"SAVE10"` is ten percent off) and counts how often each was redeemed.

  Customers mistype: `"SAVE1O"` is a bad coupon and nothing more. With the fault
  `:crash_on_bad_input` the server trusts what it gets, crashes, and forgets its counts.
  """

  use GenServer

  alias Shop.{Faults, Truth}

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "The discount of a coupon. Never exits: if the server is away, there is no discount."
  @spec redeem(String.t()) :: {:ok, percent :: 0..100} | {:error, :bad_coupon | :unavailable}
  def redeem(code) do
    GenServer.call(__MODULE__, {:redeem, code})
  catch
    :exit, _reason -> {:error, :unavailable}
  end

  @doc "How often each coupon was redeemed."
  @spec redeemed :: %{String.t() => pos_integer}
  def redeemed, do: GenServer.call(__MODULE__, :redeemed)

  @impl true
  def init([]) do
    Truth.note(:started, fn -> [pid: self(), server: __MODULE__] end)
    {:ok, %{redeemed: %{}}}
  end

  @impl true
  def handle_call({:redeem, code}, _from, state) do
    case percent(code) do
      {:ok, percent} ->
        redeemed = Map.update(state.redeemed, code, 1, &(&1 + 1))
        {:reply, {:ok, percent}, %{state | redeemed: redeemed}}

      :error ->
        {:reply, {:error, :bad_coupon}, state}
    end
  end

  def handle_call(:redeemed, _from, state), do: {:reply, state.redeemed, state}

  @impl true
  def terminate({reason, [_ | _] = stacktrace}, state) do
    Faults.happened(:crash_on_bad_input, fn ->
      [
        pid: self(),
        server: __MODULE__,
        reason: {:term, reason},
        stack: stacktrace |> Enum.take(4) |> Enum.map(&Exception.format_stacktrace_entry/1),
        lost_state: {:term, state}
      ]
    end)
  end

  def terminate(_reason, _state), do: :ok

  defp percent("SAVE" <> digits) do
    if Faults.enabled?(:crash_on_bad_input),
      do: {:ok, trusting_percent(digits)},
      else: careful_percent(digits)
  end

  defp percent(_code), do: :error

  # The fault: raises for anything but digits.
  defp trusting_percent(digits), do: String.to_integer(digits)

  defp careful_percent(digits) do
    case Integer.parse(digits) do
      {percent, ""} when percent in 1..50 -> {:ok, percent}
      _other -> :error
    end
  end
end

defmodule Shop.Loyalty do
  @moduledoc """
  Loyalty points. The customers of one household share an account.

  Points are multiplied by the account's tier, which a partner service knows; its answer takes a
  moment, and the server serves others meanwhile (the reply is given later, from `handle_info/2`).

  `award/2` lets the server add (`{:add, account, points}`). With the fault `:lost_update` the
  caller reads the points, looks up the tier and writes the sum back, and whatever somebody else
  wrote in between is lost.
  """

  use GenServer

  alias Shop.{Faults, Metrics}
  alias Shop.Faults.Referee

  @lookup_ms 2

  @type account :: String.t()

  @doc false
  @spec start_link(term) :: GenServer.on_start()
  def start_link(_arg), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "The account of a customer."
  @spec account(Shop.customer()) :: account
  def account(customer), do: "household-#{:erlang.phash2(customer, 20)}"

  @doc "Awards points, multiplied by the account's tier; answers how many that made."
  @spec award(account, pos_integer) :: {:ok, pos_integer}
  def award(account, points) do
    awarded =
      if Faults.enabled?(:lost_update),
        do: read_modify_write(account, points),
        else: let_server_add(account, points)

    Metrics.count(:points_awarded, awarded)
    {:ok, awarded}
  end

  @doc "The points of an account."
  @spec get(account) :: non_neg_integer
  def get(account), do: GenServer.call(__MODULE__, {:get, account})

  @doc "Overwrites the points of an account."
  @spec put(account, non_neg_integer) :: :ok
  def put(account, points), do: GenServer.call(__MODULE__, {:put, account, points})

  @doc "Adds to the points of an account."
  @spec add(account, pos_integer) :: :ok
  def add(account, points), do: GenServer.call(__MODULE__, {:add, account, points})

  @doc "The tier of an account, looked up at the partner's."
  @spec tier(account) :: 1..3
  def tier(account), do: GenServer.call(__MODULE__, {:tier, account})

  @doc "The points of all accounts together."
  @spec total :: non_neg_integer
  def total, do: GenServer.call(__MODULE__, :total)

  defp let_server_add(account, points) do
    awarded = points * tier(account)
    :ok = add(account, awarded)
    awarded
  end

  # The fault: between get and put, others may put.
  defp read_modify_write(account, points) do
    have = get(account)
    awarded = points * tier(account)
    :ok = put(account, have + awarded)
    awarded
  end

  @impl true
  def init([]), do: {:ok, %{points: %{}, lookups: 0}}

  @impl true
  def handle_call({:get, account}, {pid, _tag}, state) do
    points = Map.get(state.points, account, 0)
    if Faults.enabled?(:lost_update), do: Referee.read(account, pid, points)
    {:reply, points, state}
  end

  def handle_call({:put, account, points}, {pid, _tag}, state) do
    Referee.put(account, pid, points)
    {:reply, :ok, %{state | points: Map.put(state.points, account, points)}}
  end

  def handle_call({:add, account, points}, {pid, _tag}, state) do
    points = Map.get(state.points, account, 0) + points
    if Faults.enabled?(:lost_update), do: Referee.add(account, pid, points)
    {:reply, :ok, %{state | points: Map.put(state.points, account, points)}}
  end

  def handle_call({:tier, account}, from, state) do
    Process.send_after(self(), {:tier_found, from, 1 + :erlang.phash2(account, 3)}, @lookup_ms)
    {:noreply, %{state | lookups: state.lookups + 1}}
  end

  def handle_call(:total, _from, state) do
    {:reply, state.points |> Map.values() |> Enum.sum(), state}
  end

  @impl true
  def handle_info({:tier_found, from, tier}, state) do
    GenServer.reply(from, tier)
    {:noreply, state}
  end
end

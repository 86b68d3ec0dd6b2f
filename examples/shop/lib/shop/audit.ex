defmodule Shop.Audit do
  @moduledoc """
  The audit log: a `:gen_event` manager that tells its handlers what became of each order.

  The manager knows no handler; `Shop.Audit.Guard` installs `Shop.Audit.Journal` and does so again
  should the handler crash.
  """

  alias Shop.Audit.Journal

  @type entry :: {Shop.Order.id(), what :: atom, detail :: term}

  @doc "Tells all handlers; does not wait."
  @spec record(Shop.Order.id(), atom, term) :: :ok
  def record(order, what, detail \\ nil), do: :gen_event.notify(__MODULE__, {order, what, detail})

  @doc "The newest entries of the journal, newest first."
  @spec recent :: [entry]
  def recent, do: :gen_event.call(__MODULE__, Journal, :recent)
end

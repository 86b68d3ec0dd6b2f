defmodule Shop.Faults.Truths do
  @moduledoc """
  The written truth about the faults: `Shop.Faults.truth/1` as data, FAULTS.md as text.

  Whoever judges an analysis compares its findings with these.
  """

  @typedoc """
    * `kind`: what sort of fault an analysis should call it
    * `processes`: registered names or modules of the processes involved, the guilty one first
    * `module`, `function`: where the fault is in the code
    * `messages`: the messages by which it shows
    * `bystanders`: who suffers without being at fault
    * `explanation`: what happens, and what a right analysis finds
  """
  @type t :: %{
          name: Shop.Faults.name(),
          kind: :crash | :race_condition | :deadlock | :bottleneck | :state_growth | :binary_leak,
          processes: [module],
          module: module,
          function: {atom, arity},
          messages: [String.t()],
          bystanders: [module],
          explanation: String.t()
        }

  @truths [
    %{
      name: :crash_on_bad_input,
      kind: :crash,
      processes: [Shop.Coupons, Shop.BackOffice],
      module: Shop.Coupons,
      function: {:trusting_percent, 1},
      messages: [~S({:"$gen_call", from, {:redeem, "SAVE1O"}})],
      bystanders: [Shop.Cart],
      explanation:
        "Shop.Coupons calls String.to_integer/1 on what a customer typed and crashes with an " <>
          "ArgumentError (:badarg) in handle_call/3. Shop.BackOffice restarts it with an empty " <>
          "state: the counts of redeemed coupons are gone. The cart that asked gets an exit, " <>
          "catches it and tells its customer that coupons are unavailable; so does any cart " <>
          "whose request was in the mailbox. The cause of the crash is the message of the cart, " <>
          "whose cause is the customer's."
    },
    %{
      name: :lost_update,
      kind: :race_condition,
      processes: [Shop.Order, Shop.Load.Customer, Shop.Loyalty],
      module: Shop.Loyalty,
      function: {:read_modify_write, 2},
      messages: [
        ~S({:"$gen_call", from, {:get, account}}),
        ~S({:"$gen_call", from, {:tier, account}}),
        ~S({:"$gen_call", from, {:put, account, points}})
      ],
      bystanders: [],
      explanation:
        "Two processes award points to one account: the order when it is paid, and a customer " <>
          "who writes a review. Each gets the points, looks up the tier (2 ms) and puts the sum. " <>
          "Where one's put lies between the other's get and put, it is overwritten and its points " <>
          "are lost. The server does nothing wrong: get and put are not atomic together. The " <>
          "remedy is to let the server add: {:add, account, points}."
    },
    %{
      name: :mutual_call,
      kind: :deadlock,
      processes: [Shop.Inventory, Shop.Pricing],
      module: Shop.Inventory,
      function: {:call_pricing, 1},
      messages: [
        ~S({:"$gen_call", from, {:reprice, sku}}),
        ~S({:"$gen_call", from, {:left, sku}})
      ],
      bystanders: [Shop.Cart, Shop.Order, Shop.Load.Customer],
      explanation:
        "While it serves a reservation, Shop.Inventory calls Shop.Pricing, which calls " <>
          "Shop.Inventory back: each waits for the other, a cycle of two. After 500 ms the " <>
          "inventory's call exits with a timeout, which is caught; the inventory goes on, comes " <>
          "to the question of the pricing server in its mailbox and answers it. Meanwhile " <>
          "everybody who needs a price or stock waits as well. The remedy is to send the number " <>
          "along in a cast."
    },
    %{
      name: :bottleneck,
      kind: :bottleneck,
      processes: [Shop.Pricing],
      module: Shop.Pricing,
      function: {:ask_tax_office, 0},
      messages: [~S({:"$gen_call", from, {:quote, items, percent_off}})],
      bystanders: [Shop.Cart, Shop.Load.Customer],
      explanation:
        "Shop.Pricing waits 5 ms for a slow service inside handle_call/3 of each quote, so that " <>
          "it serves fewer than 200 quotes a second. It does not compute, it waits; the customers " <>
          "and carts that ask for prices stand in its mailbox, and their time is queueing time. " <>
          "The whole shop runs at the speed of this one process."
    },
    %{
      name: :state_growth,
      kind: :state_growth,
      processes: [Shop.Notifier],
      module: Shop.Notifier,
      function: {:keep, 2},
      messages: [~S({:delivered, id})],
      bystanders: [],
      explanation:
        "Shop.Notifier keeps every note in the map `outbox` of its state after it was delivered. " <>
          "Without the fault the message {:delivered, id} removes the note, and the outbox is " <>
          "empty again a few milliseconds after each order; with it the outbox never shrinks, and " <>
          "grows by one with each order that is shipped or cancelled."
    },
    %{
      name: :binary_leak,
      kind: :binary_leak,
      processes: [Shop.Recommendations],
      module: Shop.Recommendations,
      function: {:leak, 1},
      messages: [~S({:"$gen_cast", {:viewed, customer, sku, page}})],
      bystanders: [Shop.Catalog],
      explanation:
        "Shop.Recommendations keeps 200 bytes of each page of 32 KiB, as a sub-binary that keeps " <>
          "the whole page alive. Its state looks small (500 teasers, 100 kB), its heap is small, " <>
          "and yet it holds 16 MB of reference-counted binaries. The remedy is :binary.copy/1."
    }
  ]

  @doc "The names of all faults."
  @spec names :: [Shop.Faults.name()]
  def names, do: for(truth <- @truths, do: truth.name)

  @doc "The truth about a fault."
  @spec truth(Shop.Faults.name()) :: t
  for truth <- @truths do
    def truth(unquote(truth.name)), do: unquote(Macro.escape(truth))
  end
end

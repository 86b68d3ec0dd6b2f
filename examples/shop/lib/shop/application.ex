defmodule Shop.Application do
  @moduledoc """
  The supervision tree of the shop.

      Shop.Supervisor
      ├─ Shop.Truth                  only if SHOP_TRUTH names a file
      ├─ Shop.Faults                 faults to be switched on
      ├─ Shop.Faults.Referee
      ├─ Shop.Settings               Agent
      ├─ Shop.Metrics
      ├─ Shop.Registry               Registry: carts and orders by name
      ├─ Shop.AuditSupervisor
      │  ├─ Shop.Audit               gen_event
      │  └─ Shop.Audit.Guard
      ├─ Shop.BackOffice
      │  ├─ Shop.Catalog             owns the ETS cache
      │  ├─ Shop.Inventory
      │  ├─ Shop.Pricing
      │  ├─ Shop.Coupons
      │  ├─ Shop.Loyalty
      │  ├─ Shop.Payments
      │  ├─ Shop.Notifier
      │  └─ Shop.Recommendations
      ├─ Shop.Fulfilment
      │  ├─ Shop.LabelPrinter        owns a port
      │  ├─ Shop.Packers             PartitionSupervisor of Shop.Packer
      │  └─ Shop.Shipping.Tasks      Task.Supervisor
      ├─ Shop.Storefront
      │  ├─ Shop.CartSupervisor      DynamicSupervisor of Shop.Cart
      │  └─ Shop.OrderSupervisor     DynamicSupervisor of Shop.Order (gen_statem)
      └─ Shop.Load.Customers         Task.Supervisor of simulated customers

  What stands below needs what stands above it, hence `:rest_for_one` at the top; within the back
  office each server stands for itself.

  Environment: `SHOP_TRUTH=FILE` (see `Shop.Truth`), `SHOP_FAULTS=name,name` (see `Shop.Faults`).
  """

  use Application

  @impl true
  def start(_type, _args) do
    Supervisor.start_link(truth() ++ children(), strategy: :rest_for_one, name: Shop.Supervisor)
  end

  defp truth do
    case System.get_env("SHOP_TRUTH", "") do
      "" -> []
      path -> [{Shop.Truth, path}]
    end
  end

  defp children do
    [
      {Shop.Faults, System.get_env("SHOP_FAULTS", "")},
      Shop.Faults.Referee,
      Shop.Settings,
      Shop.Metrics,
      {Registry, keys: :unique, name: Shop.Registry},
      group(Shop.AuditSupervisor, audit(), strategy: :rest_for_one),
      # A bad day in one of the servers must not close the shop: many restarts are allowed.
      group(Shop.BackOffice, back_office(), strategy: :one_for_one, max_restarts: 1_000),
      group(Shop.Fulfilment, fulfilment(), strategy: :one_for_one),
      group(Shop.Storefront, storefront(), strategy: :one_for_one),
      {Task.Supervisor, name: Shop.Load.Customers}
    ]
  end

  defp audit do
    [
      %{
        id: Shop.Audit,
        start: {:gen_event, :start_link, [{:local, Shop.Audit}]},
        modules: :dynamic
      },
      Shop.Audit.Guard
    ]
  end

  defp back_office do
    [
      Shop.Catalog,
      Shop.Inventory,
      Shop.Pricing,
      Shop.Coupons,
      Shop.Loyalty,
      Shop.Payments,
      Shop.Notifier,
      Shop.Recommendations
    ]
  end

  defp fulfilment do
    [
      Shop.LabelPrinter,
      {PartitionSupervisor, child_spec: Shop.Packer, name: Shop.Packers, partitions: 2},
      {Task.Supervisor, name: Shop.Shipping.Tasks}
    ]
  end

  defp storefront do
    [
      {DynamicSupervisor, name: Shop.CartSupervisor},
      {DynamicSupervisor, name: Shop.OrderSupervisor}
    ]
  end

  defp group(name, children, options) do
    %{
      id: name,
      start: {Supervisor, :start_link, [children, [{:name, name} | options]]},
      type: :supervisor
    }
  end
end

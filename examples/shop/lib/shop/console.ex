defmodule Shop.Console do
  @moduledoc """
  Keeps OTP's own reports (crashes, restarts) off the console while a load is run, whose summary
  tells of them in a line. Other log handlers get them all the same.
  """

  # The console's handler: `:default` since Elixir 1.15, `Logger` before.
  @handlers [:default, Logger]

  @doc "Runs a function with a quiet console."
  @spec quietly(fun) :: term
  def quietly(fun) do
    for handler <- @handlers, handler in :logger.get_handler_ids() do
      :logger.add_handler_filter(handler, __MODULE__, {&__MODULE__.filter/2, []})
    end

    fun.()
  after
    Enum.each(@handlers, &:logger.remove_handler_filter(&1, __MODULE__))
  end

  @doc false
  @spec filter(:logger.log_event(), term) :: :stop | :ignore
  def filter(%{meta: %{domain: [:otp | _]}}, _arg), do: :stop
  def filter(_event, _arg), do: :ignore
end

-- What the plugin does as Neovim starts: next to nothing. The server starts with the first Python file.

if vim.g.loaded_codelm or vim.fn.has("nvim-0.11") == 0 then
  return
end
vim.g.loaded_codelm = true

vim.api.nvim_create_user_command("Codelm", function(given)
  require("codelm.commands").run(given)
end, {
  nargs = "*",
  desc = "codelm: status, pause, resume, restart, learn, forget, statistics, log",
  complete = function(lead, line)
    return require("codelm.commands").complete(lead, line)
  end,
})

if vim.g.codelm_enabled ~= false then
  vim.lsp.enable("codelm")
end

-- codelm as Neovim's own LSP client starts it. Change it in init.lua, by vim.lsp.config("codelm", { … }).

return {
  cmd = { "codelm-lsp", "--stdio" },
  filetypes = { "python" },
  root_markers = { "pyproject.toml", "setup.py", "setup.cfg", ".git" },
  capabilities = { experimental = { codelm = { status = true } } },
  handlers = {
    ["codelm/status"] = function(_, status, context)
      require("codelm").told(context.client_id, status)
    end,
  },
  on_attach = function(client, bufnr)
    require("codelm").attach(client, bufnr)
  end,
}

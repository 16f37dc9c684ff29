-- :checkhealth codelm

local M = {}

local health = vim.health

local function check_server()
  local command = (vim.lsp.config.codelm or {}).cmd
  if type(command) ~= "table" then
    return health.warn("the command of the server can't be told from vim.lsp.config.codelm.cmd")
  end
  if vim.fn.executable(command[1]) == 0 then
    return health.error(command[1] .. " is not on Neovim's PATH", {
      "pip install codelm",
      'or tell where it is: vim.lsp.config("codelm", { cmd = { "/path/to/codelm-lsp", "--stdio" } })',
    })
  end
  health.ok(table.concat(command, " "))
end

local function check_clients()
  local codelm = require("codelm")
  local clients = codelm.clients()
  if #clients == 0 then
    return health.info("no server runs: it starts with the first Python file")
  end
  for _, client in ipairs(clients) do
    health.ok(("a server runs, for %s, and counts in %s"):format(client.root_dir or "single files", client.offset_encoding))
  end
  local status = codelm.last_status()
  if not status then
    return health.warn("it has not said yet how it is")
  end
  local model = status.model
  if model.state == "failed" then
    health.error("no model: " .. model.problem, { "correct the setting codelm.model" })
  else
    health.ok(("model: %s (%s)"):format(model.name, model.state))
  end
  if status.network.problem ~= "" then
    health.warn(status.network.problem)
  end
  health.info(("workspace: %s, %d words of %d files"):format(status.workspace.state, status.workspace.words, status.workspace.files))
end

function M.check()
  health.start("codelm")
  if vim.fn.has("nvim-0.11") == 0 then
    return health.error("Neovim is older than 0.11")
  end
  check_server()
  check_clients()
  if not require("codelm.ghost_text").available() then
    health.info("ghost text needs Neovim 0.12")
  elseif vim.tbl_isempty(require("codelm").options().keys) then
    health.info("no key accepts ghost text: see :help codelm-keys")
  end
end

return M

-- codelm for Neovim 0.11 and later. Copy this file to ~/.config/nvim/lsp/codelm.lua, and put into init.lua:
--
--   vim.lsp.enable("codelm")
--
-- To change something, put this before that line (and leave this file as it is):
--
--   vim.lsp.config("codelm", { settings = { codelm = { completion = { maxItems = 10 } } } })
--
-- No key is mapped. <C-n> and <C-p> go through the menu, <C-y> accepts, <C-e> dismisses. Neovim 0.12 also shows ghost
-- text; README.md says how to give it a key.

local PAUSE = 30 -- milliseconds without a key before codelm is asked

local timer = assert(vim.uv.new_timer())

-- Neovim opens the menu by itself only after "." and "@". This opens it while a name is typed, too.
local function follow_typing(client, bufnr)
  local group = vim.api.nvim_create_augroup("codelm_" .. bufnr, { clear = true })

  local function ask()
    local info = vim.fn.complete_info({ "mode", "selected" })
    -- Not over another menu, such as that of <C-x><C-f>, nor while an item is being chosen.
    local free = (info.mode == "" or info.mode == "eval") and info.selected == -1
    if free and vim.fn.mode() == "i" and vim.api.nvim_get_current_buf() == bufnr then
      vim.lsp.completion.get()
    end
  end

  vim.api.nvim_create_autocmd("InsertCharPre", {
    group = group,
    buffer = bufnr,
    callback = function()
      timer:stop()
      -- Ask within a name, of any alphabet, and where one has to follow. No other key opens the menu.
      if vim.v.char:find("^[%w_.@\128-\255]") then
        timer:start(PAUSE, 0, vim.schedule_wrap(ask))
      end
    end,
  })

  -- Neovim shows every answer. One to older text would replace the wrong part of the line, and an empty one
  -- leaves Neovim in completion without a menu, where <C-n> and others don't do what they usually do.
  local asked = {}
  vim.api.nvim_create_autocmd("LspRequest", {
    group = group,
    buffer = bufnr,
    callback = function(event)
      local id, request = event.data.request_id, event.data.request
      if event.data.client_id ~= client.id or request.method ~= "textDocument/completion" then
        return
      end
      local text = vim.b[bufnr].changedtick
      if request.type == "pending" then
        asked = { id = id, text = text }
      elseif request.type == "complete" and id == asked.id then
        local late = text ~= asked.text
        vim.schedule(function() -- by then Neovim has shown it
          local info = vim.fn.complete_info({ "mode", "items" })
          if info.mode == "eval" and (late or #info.items == 0) and vim.fn.mode(1) == "ic" then
            vim.api.nvim_feedkeys(vim.keycode("<C-x><C-z>"), "ni", false) -- ends completion, changes no text
          end
        end)
      end
    end,
  })
end

local FORGET = { "file", "workspace", "all" }

-- :CodelmForget [file|workspace|all]: what codelm learned there is gone for good. :CodelmLearn undoes it.
local function add_commands(client, bufnr)
  local function add(name, command, known, default)
    vim.api.nvim_buf_create_user_command(bufnr, name, function(given)
      local what = given.args == "" and default or given.args
      local arguments = what == "file" and { what, vim.uri_from_bufnr(bufnr) } or { what }
      client:request("workspace/executeCommand", { command = command, arguments = arguments }, function(err)
        if err then
          vim.notify(err.message, vim.log.levels.ERROR)
        end
      end, bufnr)
    end, {
      nargs = "?",
      force = true,
      complete = function()
        return known
      end,
    })
  end
  add("CodelmForget", "codelm.forget", FORGET, "file")
  add("CodelmLearn", "codelm.learn", { "file", "workspace" }, "workspace")
end

-- Neovim would insert only the first word of an item such as "not None".
local function whole_text(item)
  local text = item.textEdit and item.textEdit.newText
  local plain = text and item.insertTextFormat ~= 2 and not text:find("\n")
  return plain and { word = text } or {}
end

return {
  cmd = { "codelm-lsp", "--stdio" },
  filetypes = { "python" },
  root_markers = { "pyproject.toml", "setup.py", "setup.cfg", ".git" },
  on_attach = function(client, bufnr)
    vim.lsp.completion.enable(true, client.id, bufnr, { convert = whole_text })
    follow_typing(client, bufnr)
    if vim.lsp.inline_completion then -- since Neovim 0.12
      vim.lsp.inline_completion.enable(true, { client_id = client.id }) -- of codelm alone
    end
    add_commands(client, bufnr)
    -- Nothing gets into the text unasked. This holds for Python files only; your own choice goes first.
    if not (vim.o.completeopt:find("noselect") or vim.o.completeopt:find("noinsert")) then
      vim.bo[bufnr].completeopt = "menuone,noselect,popup"
    end
  end,
}

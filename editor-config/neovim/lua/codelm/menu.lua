-- The menu of completions: opens while a name is typed, not only behind "." and "@", which Neovim sees to by itself.

local M = {}

local PAUSE = 30 -- milliseconds without a key before codelm is asked

local timer = assert(vim.uv.new_timer())

-- Neovim would insert only the first word of an item such as "not None".
local function whole_text(item)
  local text = item.textEdit and item.textEdit.newText
  local plain = text and item.insertTextFormat ~= 2 and not text:find("\n")
  return plain and { word = text } or {}
end

-- Where the items of several servers stand: by what each server says. (Neovim 0.11 has no way to say so: it lists one
-- server's items behind the other's.)
local function sort_text(entry)
  local item = vim.tbl_get(entry, "user_data", "nvim", "lsp", "completion_item") or {}
  return item.sortText or item.label or entry.word
end

function M.stands_before(a, b)
  return sort_text(a) < sort_text(b)
end

local function ask(bufnr)
  local info = vim.fn.complete_info({ "mode", "selected" })
  -- Not over another menu, such as that of <C-x><C-f>, nor while an item is being chosen.
  local free = (info.mode == "" or info.mode == "eval") and info.selected == -1
  if free and vim.fn.mode() == "i" and vim.api.nvim_get_current_buf() == bufnr then
    vim.lsp.completion.get()
  end
end

local function follow_typing(bufnr, group)
  vim.api.nvim_create_autocmd("InsertCharPre", {
    group = group,
    buffer = bufnr,
    callback = function()
      timer:stop()
      -- Ask within a name, of any alphabet, and where one has to follow. No other key opens the menu.
      if vim.v.char:find("^[%w_.@\128-\255]") then
        timer:start(PAUSE, 0, vim.schedule_wrap(function()
          ask(bufnr)
        end))
      end
    end,
  })
end

local ours = {} -- the ids of the clients that have a menu

-- Neovim would go on asking a server that has ended, and wait for its answer.
vim.api.nvim_create_autocmd("LspDetach", {
  group = vim.api.nvim_create_augroup("codelm", { clear = true }),
  callback = function(event)
    if ours[event.data.client_id] then
      vim.lsp.completion.enable(false, event.data.client_id, event.buf)
    end
  end,
})

-- Neovim shows every answer. One to older text would replace the wrong part of the line, and an empty one leaves Neovim
-- in completion without a menu, where <C-n> and others don't do what they usually do.
local function drop_late_answers(client, bufnr, group)
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

function M.enable(client, bufnr)
  ours[client.id] = true
  vim.lsp.completion.enable(true, client.id, bufnr, { convert = whole_text, cmp = M.stands_before })
  local group = vim.api.nvim_create_augroup("codelm_" .. bufnr, { clear = true })
  follow_typing(bufnr, group)
  drop_late_answers(client, bufnr, group)
  -- Nothing gets into the text unasked. This holds for Python files only; your own choice goes first.
  if not (vim.o.completeopt:find("noselect") or vim.o.completeopt:find("noinsert")) then
    vim.bo[bufnr].completeopt = "menuone,noselect,popup"
  end
end

return M

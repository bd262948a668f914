// Backups, for operators: made on the server, fetched piece by piece, removed.
#pragma once

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http::api {

runtime::task<response> make_backup(environment& here, const request& asked);
runtime::task<response> get_backup_file(environment& here, const request& asked);
runtime::task<response> remove_backup(environment& here, const request& asked);

}  // namespace http::api

// Everything that an outside program needs. docs/tasks/library.md is the way in.
//
// Every function may be called from several threads at a time. Whatever fails is thrown as quern::Error, save what an
// observer or a callback of the caller throws: that ends the call and arrives as it is.
#pragma once

#include "quern/chain.h"
#include "quern/compress.h"
#include "quern/compress_options.h"
#include "quern/error.h"
#include "quern/evaluate.h"
#include "quern/existing_output.h"
#include "quern/export.h"
#include "quern/generate.h"
#include "quern/inspect.h"
#include "quern/machine_options.h"
#include "quern/model.h"
#include "quern/model_source.h"
#include "quern/observer.h"
#include "quern/plan.h"
#include "quern/quality.h"
#include "quern/verify.h"
#include "quern/version.h"

; Seals the same bytes for many connections, one record of TLS 1.3 each (RFC 8446 section 5.2):
;
;     for each of `count` descriptors:
;         row = rows + 64 * descriptor              ; `Seals` in records.py says what is in it
;         nonce = iv of the row xor its number      ; RFC 8446 section 5.3
;         number of the row += 1
;         out = header, enciphered inner, tag
;         out += stride
;
; The ciphers are OpenSSL's. One context a cipher is given one key after the other, so it stays in the
; cache; of a connection only its row is read. Returns the highest number it has used; -1 when OpenSSL
; refuses, which leaves what is in `out` worthless.

declare i64 @llvm.bswap.i64(i64)
declare i64 @llvm.umax.i64(i64, i64)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i32 @EVP_EncryptInit_ex(ptr, ptr, ptr, ptr, ptr)
declare i32 @EVP_EncryptUpdate(ptr, ptr, ptr, ptr, i32)
declare i32 @EVP_EncryptFinal_ex(ptr, ptr, ptr)
declare i32 @EVP_CIPHER_CTX_ctrl(ptr, i32, i32, ptr)

define i64 @seal(i64 %count, ptr %descriptors, ptr %rows, ptr %contexts,
                 ptr %inner, i32 %inner_bytes, ptr %header, ptr %out, i64 %stride) {
begin:
  %nonce = alloca [12 x i8], align 8
  %nonce_end = getelementptr i8, ptr %nonce, i64 4
  %written = alloca i32
  %inner_length = zext i32 %inner_bytes to i64
  %none = icmp eq i64 %count, 0
  br i1 %none, label %done, label %each

each:
  %index = phi i64 [ 0, %begin ], [ %next, %sealed ]
  %highest = phi i64 [ 0, %begin ], [ %higher, %sealed ]
  %record = phi ptr [ %out, %begin ], [ %following, %sealed ]
  %descriptor_at = getelementptr i32, ptr %descriptors, i64 %index
  %descriptor = load i32, ptr %descriptor_at
  %number_of_row = zext i32 %descriptor to i64
  %row_offset = shl i64 %number_of_row, 6
  %key = getelementptr i8, ptr %rows, i64 %row_offset
  %iv = getelementptr i8, ptr %key, i64 32
  %iv_end = getelementptr i8, ptr %key, i64 36
  %cipher_at = getelementptr i8, ptr %key, i64 44
  %number_at = getelementptr i8, ptr %key, i64 48

  %number = load i64, ptr %number_at
  %incremented = add i64 %number, 1
  store i64 %incremented, ptr %number_at
  %higher = call i64 @llvm.umax.i64(i64 %highest, i64 %number)

  %iv_first = load i32, ptr %iv, align 1
  store i32 %iv_first, ptr %nonce
  %iv_last = load i64, ptr %iv_end, align 1
  %in_network_order = call i64 @llvm.bswap.i64(i64 %number)
  %mixed = xor i64 %iv_last, %in_network_order
  store i64 %mixed, ptr %nonce_end, align 1

  %cipher = load i32, ptr %cipher_at
  %cipher_index = zext i32 %cipher to i64
  %context_at = getelementptr ptr, ptr %contexts, i64 %cipher_index
  %context = load ptr, ptr %context_at

  call void @llvm.memcpy.p0.p0.i64(ptr %record, ptr %header, i64 5, i1 false)
  %content = getelementptr i8, ptr %record, i64 5
  %tag = getelementptr i8, ptr %content, i64 %inner_length
  %keyed = call i32 @EVP_EncryptInit_ex(ptr %context, ptr null, ptr null, ptr %key, ptr %nonce)
  %told = call i32 @EVP_EncryptUpdate(ptr %context, ptr null, ptr %written, ptr %header, i32 5)
  %enciphered = call i32 @EVP_EncryptUpdate(ptr %context, ptr %content, ptr %written,
                                            ptr %inner, i32 %inner_bytes)
  %ended = call i32 @EVP_EncryptFinal_ex(ptr %context, ptr %tag, ptr %written)
  %tagged = call i32 @EVP_CIPHER_CTX_ctrl(ptr %context, i32 16, i32 16, ptr %tag)

  %keyed_well = icmp eq i32 %keyed, 1
  %told_well = icmp eq i32 %told, 1
  %enciphered_well = icmp eq i32 %enciphered, 1
  %ended_well = icmp eq i32 %ended, 1
  %tagged_well = icmp eq i32 %tagged, 1
  %one = and i1 %keyed_well, %told_well
  %two = and i1 %enciphered_well, %ended_well
  %three = and i1 %one, %tagged_well
  %well = and i1 %two, %three
  br i1 %well, label %sealed, label %refused

sealed:
  %following = getelementptr i8, ptr %record, i64 %stride
  %next = add i64 %index, 1
  %over = icmp eq i64 %next, %count
  br i1 %over, label %done, label %each

refused:
  ret i64 -1

done:
  %last = phi i64 [ 0, %begin ], [ %higher, %sealed ]
  ret i64 %last
}
